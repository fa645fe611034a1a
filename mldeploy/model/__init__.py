"""From a model file to a proven bundle."""
