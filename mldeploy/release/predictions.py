"""The prediction log of an app: files that its releases write on the host, fetched from there."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mldeploy.errors import MldeployError
from mldeploy.host.commands import files

if TYPE_CHECKING:
    from pathlib import Path

    from mldeploy.host.executor import Executor, Stream
    from mldeploy.host.layout import AppFolder

SILENCE_SECONDS = 60


def pull_predictions(executor: Executor, folder: AppFolder, since_seconds: float, out: Path) -> list[Path]:
    """Fetch the files that were written to in the last `since_seconds` into `out`/<release>/; returns them.

    A file that is there is written anew. Raises MldeployError when the connection breaks on the way.
    """
    stream = executor.open(files.pack_recent(folder.predictions, since_seconds))
    fetched = []
    try:
        stream.settimeout(SILENCE_SECONDS)
        with tarfile.open(fileobj=io.BufferedReader(_Incoming(stream)), mode="r|") as archive:
            for member in archive:
                archive.extract(member, out, filter="data")
                if member.isfile():
                    fetched.append(out / PurePosixPath(member.name))
    except (tarfile.TarError, OSError) as failure:
        raise MldeployError(
            f"the predictions of {folder.app} on {executor.name} could not be fetched",
            cause=str(failure) or type(failure).__name__,
            remedy=f"Run the command again; {len(fetched)} files are in {out} already.",
        ) from failure
    finally:
        stream.close()
    return sorted(fetched)


class _Incoming(io.RawIOBase):
    """What comes over a stream, as a file."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)
