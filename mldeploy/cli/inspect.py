"""`mldeploy inspect`: what a bundle or an image is, and where it came from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mldeploy import console
from mldeploy.bundle import read_bundle

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle, Outputs


def inspect(
    target: Annotated[str, typer.Argument(metavar="BUNDLE|IMAGE", help="A bundle's directory, or an image's name.")],
    json: Annotated[bool, typer.Option("--json", help="Write it as JSON.")] = False,
) -> None:
    """Show what a bundle or an image is, and where it came from."""
    facts = _bundle_facts(read_bundle(Path(target))) if Path(target).is_dir() else _image_facts(target)
    if json:
        console.emit_json(facts)
        return
    for name, value in facts.items():
        text = ", ".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)
        console.out.print(f"[dim]{name.replace('_', ' '):17}[/] {text or '-'}", highlight=False)


def _image_facts(reference: str) -> dict[str, Any]:
    from mldeploy.image import inspect_image

    return asdict(inspect_image(reference))


def _bundle_facts(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "bundle_id": manifest.bundle_id,
        "task": manifest.task,
        "inputs": [
            f"{field.name} ({field.dtype}{', may be null' if field.nullable else ''})" for field in manifest.inputs
        ],
        "outputs": list(manifest.outputs.names or ()),
        "classes": _classes(manifest.outputs),
        "threshold": manifest.threshold,
        "precision": manifest.precision.dtype,
        "source": f"{manifest.source.file} sha256:{manifest.source.sha256}",
        "made_with": [f"python {manifest.source.python}", *(f"{n} {v}" for n, v in manifest.source.packages.items())],
        "proven_on": f"{manifest.proof.rows} rows, largest error {manifest.proof.max_error:g}",
        "onnxruntime": manifest.proof.onnxruntime,
        "golden_rows": len(bundle.golden.instances),
        "report": sorted(path.name for path in (bundle.path / "report").glob("*")),
    }


def _classes(outputs: Outputs) -> list[Any]:
    """The classes, of several outputs each with its output's name."""
    if outputs.classes_by_output is None:
        return list(outputs.classes or ())
    by_output = zip(outputs.names or (), outputs.classes_by_output, strict=True)
    return [f"{name}: {each}" for name, classes in by_output for each in classes]
