"""The golden rows, answered inside the finished image, before it counts as built."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mldeploy.errors import MldeployError, NotProvenError
from mldeploy.image.engine import explained
from mldeploy.image.runtime import USER

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

READY_TIMEOUT_S = 60
CONTROL = ["python3", "-m", "mldeploy_runtime.control"]


def prove_golden_rows(engine: DockerClient, image_id: str) -> int:
    """Start the image as a host would, without a network, and answer its golden rows; gives their number.

    Raises NotProvenError when an answer differs, MldeployError when the server does not become ready.
    """
    with explained("run the new image"):
        container = engine.containers.run(
            image_id,
            detach=True,
            network_mode="none",
            read_only=True,
            tmpfs={"/run/mldeploy": f"uid={USER},gid={USER},mode=700", "/tmp": "mode=1777"},  # noqa: S108
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        try:
            _ask(container, "wait-ready", "--timeout", str(READY_TIMEOUT_S))
            return _golden(container)
        finally:
            container.remove(force=True)


def _golden(container: Container) -> int:
    answer, held = _control(container, "golden")
    if not held:
        raise NotProvenError(
            "The image answers golden rows otherwise than the original model",
            cause=f"{answer['mismatches']} of {answer['rows']} rows differ, by up to {answer['max_error']}"
            f" (tolerance {answer['tolerance']})",
            remedy="Package the model again with this version of mldeploy; if it happens again, keep the bundle.",
        )
    return int(answer["rows"])


def _ask(container: Container, *command: str) -> None:
    answer, ready = _control(container, *command)
    if not ready:
        raise _not_started(container, str(answer.get("reason", "")))


def _control(container: Container, *command: str) -> tuple[dict[str, Any], bool]:
    """The control client's answer, and whether it is a good one."""
    container.reload()
    if container.status != "running":
        raise _not_started(container, f"the server ended ({container.status})")
    code, output = container.exec_run([*CONTROL, *command])
    said = (output if isinstance(output, bytes) else b"".join(output)).decode(errors="replace").strip()
    try:
        return json.loads(said), code == 0
    except ValueError:
        raise _not_started(container, said) from None


def _not_started(container: Container, reason: str) -> MldeployError:
    said = container.logs(tail=5).decode(errors="replace").strip()
    return MldeployError(
        "The server in the new image does not become ready",
        cause="; ".join(part for part in (reason, said) if part),
        remedy="`mldeploy serve` runs the same bundle without Docker and shows all it says.",
    )
