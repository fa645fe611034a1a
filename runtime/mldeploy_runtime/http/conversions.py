"""Tables are converted apart from the event loop, and one at a time: a body becomes objects of many times its size."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.http.formats import question, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy_runtime.http.formats import Format
    from mldeploy_runtime.service import Service

# Of the large ones, which is one that is being read and one that waits.
MOST_READ = 2
# What is no larger is converted in less time than its turn would take to come, and never refused here.
SMALL_BYTES = 16 * 1024
SMALL_ROWS = 200


class Conversions:
    """One worker's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tables")
        self._being_read = 0
        # The first conversion of a format may have to import what it needs.
        self._known: set[Format] = set()

    async def read(self, body: bytes, format: Format) -> bytes:
        """The JSON body of /predict that asks what `body` does. Raises Problem: `overloaded` where others wait."""
        service = self._service
        arguments = (body, format, service.manifest, service.settings.max_rows)
        if len(body) <= SMALL_BYTES:
            return await self._convert(format, question, *arguments, is_small=True)
        if self._being_read >= MOST_READ:
            raise service.batcher.refusal()
        self._being_read += 1
        try:
            return await self._convert(format, question, *arguments, is_small=False)
        finally:
            self._being_read -= 1

    async def write(self, predictions: Sequence[Any], format: Format) -> bytes:
        """The body that answers `predictions`."""
        is_small = len(predictions) <= SMALL_ROWS
        return await self._convert(format, table_of, predictions, format, is_small=is_small)

    async def _convert(self, format: Format, convert: Callable[..., bytes], *arguments: Any, is_small: bool) -> bytes:
        if is_small and format in self._known:
            return convert(*arguments)
        converted = await asyncio.get_running_loop().run_in_executor(self._thread, convert, *arguments)
        self._known.add(format)
        return converted
