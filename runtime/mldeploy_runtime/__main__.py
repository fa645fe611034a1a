"""`python3 -m mldeploy_runtime`: serve one bundle until told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from mldeploy_runtime.bundle import BundleError
from mldeploy_runtime.settings import SettingsError, read_settings
from mldeploy_runtime.workers import how_many, own_place, supervise

if TYPE_CHECKING:
    from types import FrameType

    from mldeploy_runtime.settings import Settings
    from mldeploy_runtime.workers import Place


def main() -> None:
    # The server drains on these signals and then raises them again; as process 1 of a container there is no default.
    signal.signal(signal.SIGTERM, _exit_cleanly)
    signal.signal(signal.SIGINT, _exit_cleanly)
    settings = read_settings()
    place = own_place()
    try:
        count = 1 if place else how_many(settings)
        if count > 1:
            sys.exit(asyncio.run(supervise(settings, count)))
        _serve(settings, place)
    except BundleError as failure:
        sys.exit(f"{settings.bundle} cannot be served: {failure}")
    except SettingsError as failure:
        sys.exit(f"the server cannot be started: {failure}")


def _serve(settings: Settings, place: Place | None) -> None:
    # Imported by the process that serves alone: it is most of what a process costs.
    import uvloop

    from mldeploy_runtime.server import serve

    uvloop.run(serve(settings, place))


def _exit_cleanly(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
