"""Docker on a host, as argv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.host.layout import APP_LABEL, NETWORK, RUNTIME_USER, AppFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldeploy.config import Limits


def pull(reference: str) -> list[str]:
    return ["docker", "pull", "--quiet", reference]


def pull_as(user: str, reference: str) -> list[str]:
    """Pull with a login whose password is on standard input, kept in memory and forgotten when that is done."""
    script = (
        "set -e; umask 077; "
        'DOCKER_CONFIG="$(mktemp -d -p /run mldeploy-login.XXXXXX)"; export DOCKER_CONFIG; '
        "trap 'rm -rf \"$DOCKER_CONFIG\"' EXIT; "
        'docker login --username "$1" --password-stdin "$2" >/dev/null; '
        'docker pull --quiet "$3"'
    )
    return ["sh", "-c", script, "pull", user, reference.partition("/")[0], reference]


def has_image(reference: str) -> list[str]:
    return ["docker", "image", "inspect", "--format", "{{.Id}}", reference]


def digest_of(reference: str) -> list[str]:
    """Print the image as `repository@digest`."""
    return ["docker", "image", "inspect", "--format", "{{index .RepoDigests 0}}", reference]


def image_of(container: str) -> list[str]:
    """Print what the container was created from, as it was named then."""
    return ["docker", "inspect", "--format", "{{.Config.Image}}", container]


def images() -> list[str]:
    """Print each image as `repository@digest` and as its id, the two forms that releases name theirs in."""
    return ["docker", "image", "ls", "--digests", "--no-trunc", "--format", "{{.Repository}}@{{.Digest}}\t{{.ID}}"]


def image_store() -> list[str]:
    """Print what kind of store Docker keeps images in: that of containerd names them by their manifests."""
    return ["docker", "info", "--format", "{{.DriverStatus}}"]


def image_layers() -> list[str]:
    """Print the layers of each image, a JSON array of digests a line, the lowest first."""
    script = (
        'ids="$(docker image ls --quiet --no-trunc)" || exit 1; '
        '[ -z "$ids" ] || docker image inspect --format "$1" $ids | sort --unique'
    )
    return ["sh", "-c", script, "layers", "{{json .RootFS.Layers}}"]


def load() -> list[str]:
    """Take in an image from an archive on standard input."""
    return ["docker", "image", "load", "--quiet"]


def name_image(image: str, name: str) -> list[str]:
    return ["docker", "image", "tag", image, name]


def remove_image(reference: str) -> list[str]:
    return ["docker", "image", "rm", reference]


def create(
    app: str,
    release: str,
    address: str,
    image: str,
    limits: Limits,
    environment: Mapping[str, str],
    volumes: Mapping[str, str],
) -> list[str]:
    """Create a release's container in a slot: without rights, without a published port, with limits.

    `volumes` are folders of the host, with where and how each is mounted.
    """
    return [
        "docker", "create",
        "--name", AppFolder(app).container(release),
        "--label", f"{APP_LABEL}={app}",
        "--network", NETWORK,
        "--ip", address,
        "--restart", "unless-stopped",
        "--user", f"{RUNTIME_USER}:{RUNTIME_USER}",
        "--read-only",
        "--tmpfs", f"/run/mldeploy:uid={RUNTIME_USER},gid={RUNTIME_USER},mode=0700,size=1m",
        "--tmpfs", "/tmp:size=64m",
        "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges",
        "--memory", limits.memory,
        "--memory-swap", limits.memory,
        "--cpus", f"{limits.cpus:g}",
        "--pids-limit", str(limits.pids),
        "--log-driver", "json-file",
        "--log-opt", "max-size=10m",
        "--log-opt", "max-file=3",
        # The runtime takes up to 30 s to finish what is in flight.
        "--stop-timeout", "35",
        *(part for host, inside in volumes.items() for part in ("--volume", f"{host}:{inside}")),
        *(part for name, value in environment.items() for part in ("--env", f"{name}={value}")),
        image,
    ]  # fmt: skip


def start(container: str) -> list[str]:
    return ["docker", "start", container]


def stop(container: str) -> list[str]:
    return ["docker", "stop", container]


def remove(container: str) -> list[str]:
    """Remove a container, running or not; none is no error."""
    return ["docker", "rm", "--force", "--volumes", container]


def give_address(container: str, address: str) -> list[str]:
    """Give a stopped container the address of a slot, in place of one it may have kept."""
    script = 'docker network disconnect --force "$1" "$2" 2>/dev/null; exec docker network connect --ip "$3" "$1" "$2"'
    return ["sh", "-c", script, "connect", NETWORK, container, address]


def take_address(container: str) -> list[str]:
    """A stopped container keeps no address, so that another can have the slot."""
    return ["docker", "network", "disconnect", "--force", NETWORK, container]


def containers(app: str) -> list[str]:
    """Print `name<TAB>state<TAB>address` for each container of the app."""
    form = (
        "{{.Name}}\t{{.State.Status}}\t"
        f'{{{{with index .NetworkSettings.Networks "{NETWORK}"}}}}{{{{.IPAMConfig.IPv4Address}}}}{{{{end}}}}'
    )
    script = (
        "command -v docker >/dev/null || exit 0; "
        'ids="$(docker ps --all --quiet --filter "label=$1")" || exit 1; '
        '[ -z "$ids" ] || docker inspect --format "$2" $ids'
    )
    return ["sh", "-c", script, "containers", f"{APP_LABEL}={app}", form]


def state(container: str) -> list[str]:
    """Print `status<TAB>restarts<TAB>killed for memory<TAB>exit code`."""
    form = "{{.State.Status}}\t{{.RestartCount}}\t{{.State.OOMKilled}}\t{{.State.ExitCode}}"
    return ["docker", "inspect", "--format", form, container]


def logs(container: str, lines: int) -> list[str]:
    """Print the last lines of both streams."""
    return ["sh", "-c", 'docker logs --tail "$1" "$2" 2>&1', "logs", str(lines), container]


def stream_logs(container: str, *, since: str | None, tail: int | None, follow: bool) -> list[str]:
    """Print the lines of both streams, as one."""
    options = [
        *(["--since", since] if since else []),
        *(["--tail", str(tail)] if tail is not None else []),
        *(["--follow"] if follow else []),
    ]
    return ["sh", "-c", 'exec docker logs "$@" 2>&1', "logs", *options, container]


def control(container: str, *command: str) -> list[str]:
    """Talk to the runtime through its control client, inside its container."""
    return run_inside(container, "python3", "-m", "mldeploy_runtime.control", *command)


def run_inside(container: str, *command: str) -> list[str]:
    """Run a command in a container; where the machine was too busy to even start it, try so again.

    Docker says on standard output that it could not start it: nothing has run then.
    """
    script = """
for pause in 0.2 0.5 1 0; do
  said="$(docker exec "$@")"
  code=$?
  case "$said" in "OCI runtime exec failed"*) sleep $pause ;; *) break ;; esac
done
printf '%s\\n' "$said"
exit $code
"""
    return ["sh", "-c", script, "inside", container, *command]


def create_network(subnet: str, gateway: str, dynamic_range: str) -> list[str]:
    """The network of slots. Fixed addresses lie outside `dynamic_range`, so that none is given away by chance."""
    options = ("--subnet", subnet, "--gateway", gateway, "--ip-range", dynamic_range)
    return ["docker", "network", "create", *options, NETWORK]
