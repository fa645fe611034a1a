"""Caddy on a host: its container, its configuration, and the one reload a new site needs."""

from __future__ import annotations

from mldeploy.host.layout import (
    CADDY,
    CADDY_CONTAINER,
    CADDY_DATA_VOLUME,
    CADDY_IMAGE,
    NETWORK,
    RUNTIME_PORT,
)

HEALTH_INTERVAL_MS = 200
HEALTH_TIMEOUT_MS = 1000

_ADMIN = "unix//run/caddy-admin.sock"


def caddyfile() -> str:
    """The configuration that sites are imported into.

    The admin interface is a socket inside the container, never a port. The health checker's complaints
    about an empty slot are left out of the log: at five a second they would fill the disk.
    """
    return f"""{{
	admin {_ADMIN}
	persist_config off
	log default {{
		exclude http.handlers.reverse_proxy.health_checker.active
	}}
}}

import sites/*.caddy
"""


def site(address: str, slots: tuple[str, str]) -> str:
    """One app's site: two fixed slots, of which Caddy serves the first that is in rotation.

    A release is switched by its rotation check, never by a reload, which would break keep-alive
    connections. A request that meets a dead slot is held and sent to the other, POST too: answering
    one row twice is harmless. The rotation check itself is not for the outside.
    """
    upstreams = " ".join(f"{slot}:{RUNTIME_PORT}" for slot in slots)
    return f"""{address} {{
	@internal path /rotation
	respond @internal 404

	reverse_proxy {upstreams} {{
		lb_policy first
		lb_try_duration 5s
		lb_try_interval 50ms
		lb_retry_match {{
			method GET HEAD POST
		}}
		health_uri /rotation
		health_interval {HEALTH_INTERVAL_MS}ms
		health_timeout {HEALTH_TIMEOUT_MS}ms
		health_status 200
		fail_duration 1s
		request_buffers 16MiB
		transport http {{
			dial_timeout 1s
			keepalive 60s
			keepalive_idle_conns_per_host 256
		}}
	}}
}}
"""


def replace(address: str) -> list[str]:
    """Start Caddy in place of one that may be there: one command, so that it completes whatever becomes of us."""
    script = 'docker rm --force --volumes "$1" >/dev/null; shift; exec "$@"'
    return ["sh", "-c", script, "replace", CADDY_CONTAINER, *run(address)]


def run(address: str) -> list[str]:
    """Start the one Caddy of a host, on its fixed address of the network and the ports of the machine."""
    return [
        "docker", "run", "--detach",
        "--name", CADDY_CONTAINER,
        "--network", NETWORK,
        "--ip", address,
        "--restart", "unless-stopped",
        "--publish", "80:80",
        "--publish", "443:443",
        "--publish", "443:443/udp",
        "--volume", f"{CADDY}:/etc/caddy:ro",
        "--volume", f"{CADDY_DATA_VOLUME}:/data",
        "--read-only",
        "--tmpfs", "/run",
        "--tmpfs", "/tmp",
        "--tmpfs", "/config",
        "--cap-drop", "ALL",
        "--cap-add", "NET_BIND_SERVICE",
        "--security-opt", "no-new-privileges",
        "--log-driver", "json-file",
        "--log-opt", "max-size=10m",
        "--log-opt", "max-file=3",
        CADDY_IMAGE,
        "caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile",
    ]  # fmt: skip


def reload() -> list[str]:
    return _caddy("reload", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile", "--address", _ADMIN)


def _caddy(*command: str) -> list[str]:
    return ["docker", "exec", CADDY_CONTAINER, "caddy", *command]
