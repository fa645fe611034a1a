"""The ladder of conversions: each rung turns the fitted model into an ONNX file, or says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import limits
from .emit import NotEmitted, write_model

if TYPE_CHECKING:
    from pathlib import Path

    from .kinds import Kind


def convert(rung: str, model: Any, kind: Kind, fields: list[dict[str, Any]], into: Path) -> dict[str, Any]:
    """Write the graph of one rung to `into`; {"graph": the mapping of fields} or {"failed": why}."""
    try:
        if rung == "exact":
            built, graph = write_model(model, fields, kind)
        else:
            from .stock import convert_stock

            built, graph = convert_stock(model, fields, kind, rung.split("-")[1])
    except NotEmitted as refusal:
        return {"failed": str(refusal)}
    except ModuleNotFoundError as failure:
        return {"failed": f"{failure.name} is not installed in the model's environment"}
    except Exception as failure:
        if limits.explained(failure):
            raise
        # A converter meets whatever the model holds; a failed rung is a reason to try the next one.
        return {"failed": f"{type(failure).__name__}: {failure}".splitlines()[0]}
    into.write_bytes(built.SerializeToString(deterministic=True))
    return {"graph": graph}
