"""Bars for layers that move: how much of each, and how fast."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from mldeploy import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.image.tree import Layer


class Watched:
    """A file that is read once, and tells how much of it was."""

    def __init__(self, file: BinaryIO, told: Callable[[int], object]) -> None:
        self._file = file
        self._told = told
        self._read = 0

    def read(self, size: int = -1, /) -> bytes:
        content = self._file.read(size)
        self._read += len(content)
        self._told(self._read)
        return content


Moved = Callable[["Layer", int], None]
"""Told a layer and how many bytes of it have moved so far."""


@contextmanager
def layer_bars() -> Iterator[Moved]:
    """A bar a layer, from the first that is told of it; nothing where no person looks on."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal,
    ) as progress:
        bars = {}

        def moved(layer: Layer, count: int) -> None:
            if layer.digest not in bars:
                bars[layer.digest] = progress.add_task(layer.name, total=layer.size)
            progress.update(bars[layer.digest], completed=count)

        yield moved
