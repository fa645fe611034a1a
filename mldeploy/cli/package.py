from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mldeploy import console
from mldeploy.errors import UsageError
from mldeploy.model.limits import TIME_LIMIT_S, TOLERANCE

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle
    from mldeploy.model.parity import Mismatch

SHOWN_ROWS = 8


def package(
    model: Annotated[Path, typer.Argument(help="The model: a file that joblib.dump() wrote.")],
    sample: Annotated[
        Path | None, typer.Option(help="Rows like those it was trained on, .csv or .parquet; the proof uses them.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name.  [default: from the file name]")] = None,
    version: Annotated[
        str | None, typer.Option(help="Its version.  [default: from the file name, else from the content]")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="The largest error of a number, relative or absolute.")] = TOLERANCE,
    out: Annotated[Path, typer.Option(help="The folder that bundles are written to.")] = Path("build"),
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", metavar="KEY=VALUE", help="A note kept with the model; repeatable."),
    ] = None,
    python: Annotated[Path | None, typer.Option(help="The Python that opens the model.  [default: this one]")] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds that each step in the model's process may take.")] = (
        TIME_LIMIT_S
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    no_image: Annotated[bool, typer.Option("--no-image", help="Stop at the bundle.")] = False,  # noqa: ARG001
) -> None:
    """Convert a fitted model to ONNX, prove that it answers as the original does, and bundle it."""
    # They take pandas and onnxruntime along, which the other commands do without.
    from mldeploy.model.ladder import ParityError
    from mldeploy.model.package import package_model

    try:
        bundle = package_model(
            model,
            sample=sample,
            name=name,
            version=version,
            tolerance=tolerance,
            into=out,
            metadata=_pairs(metadata or []),
            python=python,
            time_limit_s=time_limit,
            progress=console.step,
        )
    except ParityError as failure:
        console.err.print(_worst_rows(failure.worst))
        raise
    if as_json:
        console.emit_json(_outcome(bundle))


def _pairs(texts: list[str]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--metadata {text} is not of the form KEY=VALUE")
        pairs[key] = value
    return pairs


def _outcome(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "bundle_id": manifest.bundle_id,
        "name": manifest.name,
        "version": manifest.version,
        "precision": manifest.precision.model_dump(),
        "proof": manifest.proof.model_dump(),
    }


def _worst_rows(worst: list[Mismatch]) -> Table:
    table = Table(title="Rows answered otherwise, the worst first", title_justify="left")
    for heading in ("row", "from", "original", "converted", "error", "fields"):
        table.add_column(heading, overflow="fold")
    for mismatch in worst[:SHOWN_ROWS]:
        fields = ", ".join(f"{name}={value!r}" for name, value in mismatch.instance.items())
        table.add_row(
            str(mismatch.row),
            mismatch.origin,
            mismatch.original,
            mismatch.converted,
            f"{mismatch.error:.2g}",
            fields,
        )
    return table
