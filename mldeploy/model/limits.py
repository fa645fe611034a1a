"""The defaults that `mldeploy package` works within."""

TOLERANCE = 1e-5
"""The largest error of a number, relative or absolute, whichever is smaller."""

TIME_LIMIT_S = 300.0
"""How long the model's process may take over one step."""
