"""Measure the image: its size, the time to build it, and what ships move: `python -m bench.image [--write]`.

The peers are what they install for the same model: their packages, resolved by uv for the same platform, on the same
base image, and the model file as joblib wrote it. That is the least that an image of theirs holds; their own build
commands add to it. Bytes moved are those of compressed layers that the other side lacks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

from bench.page import machine, write_section
from mldeploy.bundle import read_bundle
from mldeploy.config import ImageConfig
from mldeploy.image import build_image
from mldeploy.image.base import find_base, read_base
from mldeploy.image.engine import connect
from mldeploy.image.tree import file_node, tree_of_folder, write_layer
from mldeploy.image.wheels import PLATFORMS
from tests.rig import images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.image import Image
    from mldeploy.image.tree import Layer

ROOT = Path(__file__).parents[1]
PLATFORM = "linux/amd64"
PEERS = {
    "MLflow": ("3.13", ("mlflow", "scikit-learn")),
    "BentoML": ("3.13", ("bentoml", "scikit-learn", "pandas")),
    "MLServer": ("3.12", ("mlserver", "mlserver-sklearn")),  # which pins a Python below 3.13
}

EXPLAINED = """\
The same model, a gradient boosting pipeline over numbers and strings. The peers are the least that an image of theirs
holds: their packages for the same platform, resolved by uv, on the same base image, and the file that joblib wrote.
Their own build commands, which run pip in a container, add to times and sizes; what those take for another model is
not measured, and what a second ship of theirs moves is the best case, that one file. Packages were downloaded before,
for all. Built means for mldeploy that the golden rows were answered in the finished image. Two cores that had other
work: the times compare with one another alone.
"""


@dataclass(frozen=True)
class Figures:
    """Sizes and what ships move in bytes, times in seconds."""

    name: str
    unpacked: int
    compressed: int
    cold: float
    warm: float | None
    first_ship: int
    second_ship: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as scratch:
        folder = Path(scratch)
        models = train(folder)
        rows = [measure_own(models, folder)]
        base = base_layer(folder)
        rows += [measure_peer(name, base, models, folder) for name in PEERS]
    text = f"{EXPLAINED}\n{table(rows)}\n\n{machine('uv', 'docker')}"
    print(text)
    if options.write:
        write_section("image", text)


def train(folder: Path) -> list[Path]:
    """Two versions of the example's model."""
    run(sys.executable, "-m", "examples.penguins.train", "--out", str(folder))
    return sorted(folder.glob("*.joblib"))


def measure_own(models: list[Path], folder: Path) -> Figures:
    settings = ImageConfig(base=images.python())
    bundles = []
    for model in models:
        sample = str(folder / "penguins.parquet")
        run("mldeploy", "package", str(model), "--sample", sample, "--no-image", "--out", str(folder / "build"))
    bundles = [read_bundle(path) for path in sorted((folder / "build").iterdir())]
    built: list[Image] = []
    times = []
    with cache_of_its_own(folder / "cache"):
        for bundle in bundles:
            forget(f"{bundle.manifest.name}:{bundle.manifest.tag}")
            start = time.perf_counter()
            built.append(build_image(bundle, settings, PLATFORM))
            times.append(time.perf_counter() - start)
            if not built[-1].built:
                raise RuntimeError("the image was there")
        first, second = (image.composition for image in built)
        known = {layer.digest for layer in first.layers}
        moved = sum(layer.size for layer in second.layers if layer.digest not in known)
        documents = len(second.config) + len(second.manifest)
        return Figures("mldeploy", built[0].size, first.size, times[0], times[1], first.size, moved + documents)


def measure_peer(name: str, base: Layer, models: list[Path], folder: Path) -> Figures:
    python, packages = PEERS[name]
    start = time.perf_counter()
    installed = folder / name
    run(
        find_uv_bin(), "pip", "install", "--quiet", "--target", str(installed), "--python", sys.executable,
        "--python-platform", PLATFORMS[PLATFORM], "--python-version", python, "--only-binary", ":all:", *packages,
    )  # fmt: skip
    closure = write_layer(tree_of_folder(installed, "usr/local/lib/site-packages"), folder / f"{name}.tar.gz")
    cold = time.perf_counter() - start
    first, second = (write_layer({"model.joblib": file_node(model)}, folder / "model.tar.gz") for model in models)
    parts = (base, closure, first)
    compressed = sum(layer.size for layer in parts)
    return Figures(name, sum(layer.unpacked for layer in parts), compressed, cold, None, compressed, second.size)


def base_layer(folder: Path) -> Layer:
    engine = connect()
    return write_layer(read_base(engine, find_base(engine, images.python(), PLATFORM)), folder / "base.tar.gz")


def table(rows: list[Figures]) -> str:
    lines = [
        "| | unpacked | compressed | built, nothing cached | built, another model | first ship | second ship |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *map(line, rows),
    ]
    return "\n".join(lines)


def line(row: Figures) -> str:
    warm = "" if row.warm is None else f"{row.warm:.1f} s"
    sizes = f"{row.unpacked / 1e6:.0f} MB | {row.compressed / 1e6:.0f} MB"
    moved = f"{row.first_ship / 1e6:.1f} MB | {row.second_ship / 1e3:.0f} kB"
    return f"| {row.name} | {sizes} | {row.cold:.1f} s | {warm} | {moved} |"


@contextmanager
def cache_of_its_own(folder: Path) -> Iterator[None]:
    before = os.environ.get("XDG_CACHE_HOME")
    # Downloaded packages are kept elsewhere: what is measured is the building.
    os.environ.setdefault("UV_CACHE_DIR", str(Path(before or "~/.cache").expanduser() / "uv"))
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before:
            os.environ["XDG_CACHE_HOME"] = before


def forget(reference: str) -> None:
    subprocess.run(["docker", "image", "rm", "--force", reference], capture_output=True, check=False)


def run(*argv: str) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(argv, cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL, timeout=600)


if __name__ == "__main__":
    main()
