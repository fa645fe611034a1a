"""What answers a bundle's rows on this machine."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from mldeploy.model.limits import TIME_LIMIT_S
from mldeploy.model.native import opened
from mldeploy.model.parity import Converter
from mldeploy.model.process import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mldeploy.bundle import Bundle
    from mldeploy.model.parity import Converted
    from mldeploy.model.rows import Rows


@contextmanager
def open_session(bundle: Bundle) -> Iterator[Callable[[Rows], Converted]]:
    """A function from rows to the model's answers; those it refuses are named in `refused`."""
    manifest = bundle.manifest
    if manifest.native is not None:
        with opened(bundle, partial(Child, bundle.model_path, time_limit_s=TIME_LIMIT_S)) as answer:
            yield answer
        return
    yield Converter(bundle.model_path.read_bytes(), manifest.graph, manifest.outputs).answer
