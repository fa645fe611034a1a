"""`mldeploy score`: a file of rows through a bundle, on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from mldeploy import console
from mldeploy.bundle import read_bundle


def score(
    bundle: Annotated[Path, typer.Argument(help="A bundle's directory.")],
    data: Annotated[Path, typer.Argument(help="The rows, .csv or .parquet; columns that are no field are left out.")],
    out: Annotated[Path, typer.Option(help="Where the answers go, .csv or .parquet: one row for each row.")],
    on_error: Annotated[
        Literal["stop", "empty"],
        typer.Option(help="A row that the model does not take ends it, or its answer is left empty."),
    ] = "stop",
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Answer every row of a file: one row in, one row out."""
    from mldeploy.score import score_file

    scored = score_file(read_bundle(bundle), data, out, on_error)
    if as_json:
        console.emit_json({"out": str(out), **asdict(scored)})
        return
    left = f", {scored.refused:,} of them left empty" if scored.refused else ""
    console.step(f"wrote {out}", f"{scored.rows:,} rows{left}")
