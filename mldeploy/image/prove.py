"""The golden rows, answered inside the finished image, before it counts as built."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mldeploy.errors import NotProvenError
from mldeploy.image.engine import explained
from mldeploy.image.runtime import USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient
    from docker.models.containers import Container

READY_TIMEOUT_S = 60
CONTROL = ["python3", "-m", "mldeploy_runtime.control"]


def prove_golden_rows(engine: DockerClient, image_id: str, mounts: Mapping[str, str] | None = None) -> int:
    """Start the image as a host would, without a network, and answer its golden rows; gives their number.

    `mounts` are files of this machine with their places in the image.

    Raises NotProvenError when an answer differs, or the server does not become ready to give one.
    """
    with explained("run the new image"):
        container = engine.containers.run(
            image_id,
            detach=True,
            network_mode="none",
            read_only=True,
            tmpfs={"/run/mldeploy": f"uid={USER},gid={USER},mode=700", "/tmp": "mode=1777"},  # noqa: S108
            volumes={here: {"bind": there, "mode": "ro"} for here, there in (mounts or {}).items()},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        try:
            _control(container, "wait-ready", "--timeout", str(READY_TIMEOUT_S))
            return int(_control(container, "golden")["rows"])
        finally:
            container.remove(force=True)


def _control(container: Container, *command: str) -> dict[str, Any]:
    """What the control client answers inside the container."""
    container.reload()
    if container.status != "running":
        raise _not_proven(container, f"the server ended ({container.status})")
    code, output = container.exec_run([*CONTROL, *command])
    said = (output if isinstance(output, bytes) else b"".join(output)).decode(errors="replace").strip()
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise _not_proven(container, said) from None
    if code:
        raise _not_proven(container, str(answer.get("reason") or f"{answer.get('mismatches')} golden rows differ"))
    return answer


def _not_proven(container: Container, reason: str) -> NotProvenError:
    log = container.logs(tail=5).decode(errors="replace").strip()
    return NotProvenError(
        "the new image does not answer its golden rows as the original model did",
        cause="\n".join(part for part in (reason, log) if part),
        remedy="`mldeploy serve` runs the same bundle without Docker and shows all that the server says.",
    )
