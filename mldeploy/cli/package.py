from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from mldeploy import console
from mldeploy.bundle import Unknown
from mldeploy.config import Backend, Platform, load_config
from mldeploy.errors import UnreachableError, UsageError
from mldeploy.model.limits import TIME_LIMIT_S, TOLERANCE

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle
    from mldeploy.config import Config
    from mldeploy.image import Image
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
    precision: Annotated[
        Literal["auto", "float64"],
        typer.Option(help="auto takes float32 where it is as right and measured to be faster."),
    ] = "auto",
    outputs: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="What several outputs are called.  [default: y0,y1,...]")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="The folder that bundles are written to.  [default: build_dir, else build]")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", metavar="KEY=VALUE", help="A note kept with the model; repeatable."),
    ] = None,
    trust: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A package whose code the file may bring; repeatable.")
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(help="The Python that opens the model.  [default: one with the versions that the file records]"),
    ] = None,
    requirements: Annotated[
        Path | None, typer.Option(help="Packages that the model needs besides: a requirements file.")
    ] = None,
    code: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of modules that the model imports; they are trusted.")
    ] = None,
    select: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which model, where the file holds several.")
    ] = None,
    backend: Annotated[
        Backend | None,
        typer.Option(
            help="What answers: a graph, the original as it is, or that where no graph is proven.  "
            "[default: backend, else onnx]",
        ),
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds that each step in the model's process may take.")] = (
        TIME_LIMIT_S
    ),
    unknown: Annotated[
        Unknown | None,
        typer.Option(
            help="Unseen categories, where the trained encoder takes them: answer, answer and say so, or refuse."
            "  [default: app.unknown, else ignore]"
        ),
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(metavar="GB", min=0.1, help="Memory for the model's process.  [default: the machine's]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    platform: Annotated[
        Platform | None,
        typer.Option(help="What the image is for.  [default: what the host answers, else linux/amd64]"),
    ] = None,
    debug_image: Annotated[bool, typer.Option("--debug-image", help="Keep the base's shell in the image.")] = False,
    eject: Annotated[
        bool,
        typer.Option("--eject", help="Write a Dockerfile and its context in place of the image."),
    ] = False,
    no_image: Annotated[bool, typer.Option("--no-image", help="Stop at the bundle.")] = False,
) -> None:
    """Convert a fitted model to ONNX, prove that it answers as the original does, bundle it, and build its image."""
    from mldeploy.model.ladder import ParityError
    from mldeploy.model.package import package_model

    config = load_config()
    try:
        bundle = package_model(
            model,
            sample=sample,
            name=name,
            version=version,
            tolerance=tolerance,
            precision=precision,
            outputs=[each.strip() for each in outputs.split(",")] if outputs else [],
            into=out or config.build_dir,
            metadata=_pairs(metadata or []),
            trust=trust or [],
            python=python,
            requirements=requirements,
            code=code,
            select=select,
            backend=backend or config.backend,
            time_limit_s=time_limit,
            unknown=unknown or config.app.unknown or "ignore",
            memory_limit=None if memory_limit is None else int(memory_limit * (1 << 30)),
            progress=console.step,
        )
    except ParityError as failure:
        console.err.print(_worst_rows(failure.worst))
        raise
    if eject:
        _eject(bundle, config, platform)
    image = None if no_image or eject else _build_image(bundle, config, platform, debug=debug_image)
    if as_json:
        console.emit_json(_outcome(bundle, image))


def _eject(bundle: Bundle, config: Config, platform: Platform | None) -> None:
    from mldeploy.image import eject

    folder = eject(bundle, config.image, _platform(config, platform))
    console.step("wrote a Dockerfile and its context", str(folder))


def _platform(config: Config, asked: Platform | None) -> str | None:
    from mldeploy.host.platform import platform_of_host

    return asked or config.image.platform or platform_of_host(config)


def _build_image(bundle: Bundle, config: Config, platform: Platform | None, *, debug: bool) -> Image:
    from mldeploy.image import build_image

    try:
        image = build_image(bundle, config.image, _platform(config, platform), model=config.model, debug=debug)
    except UnreachableError as failure:
        raise UnreachableError(
            f"no image was built, and the bundle is kept in {bundle.path}",
            cause=f"{failure.message}: {failure.cause}",
            remedy=failure.remedy,
        ) from failure
    proven = f", {image.golden_rows} golden rows answered in it" if image.golden_rows else ""
    console.step(f"{'built' if image.built else 'found'} image {image.reference}", f"{image.size / 1e6:.0f} MB{proven}")
    return image


def _pairs(texts: list[str]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--metadata {text} is not of the form KEY=VALUE")
        pairs[key] = value
    return pairs


def _outcome(bundle: Bundle, image: Image | None) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "bundle_id": manifest.bundle_id,
        "name": manifest.name,
        "version": manifest.version,
        "task": manifest.task,
        "outputs": manifest.outputs.model_dump(exclude_none=True),
        "precision": manifest.precision.model_dump(),
        "proof": manifest.proof.model_dump(),
        "image": image.to_json() if image else None,
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
