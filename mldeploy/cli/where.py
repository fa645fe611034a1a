"""Which host and which app a command is about."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mldeploy.config import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder


@contextmanager
def app_on_host(host: str | None, app: str | None) -> Iterator[tuple[Executor, AppFolder]]:
    from mldeploy.host.layout import AppFolder
    from mldeploy.host.names import choose_host
    from mldeploy.host.ssh import connect
    from mldeploy.release.rollback import choose_app

    config = load_config()
    with connect(choose_host(config, host), config) as ssh:
        yield ssh, AppFolder(choose_app(ssh, app or config.app.name))
