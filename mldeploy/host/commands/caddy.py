"""Caddy on a host: its configuration, composed of the sites of all apps, and its container."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from mldeploy.host.commands.docker import run_inside
from mldeploy.host.layout import (
    APPLIED,
    CADDY,
    CADDY_CONTAINER,
    CADDY_DATA_VOLUME,
    CLOSING,
    RUNTIME_PORT,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldeploy.host.site import Site

HEALTH_INTERVAL_MS = 200
HEALTH_TIMEOUT_MS = 1000
CLOSING_SECONDS = 5
HOLD_SECONDS = 0.6
STOP_SECONDS = 30

NEXT_CONTAINER = f"{CADDY_CONTAINER}-next"

# A server that stops drops, unanswered, the request of a connection that it has accepted and not read from yet (Go's
# net/http); behind TLS that takes as long as the handshake. So nobody connects for as long as that takes, and until it
# has stopped: the first packet of a connection that gets no answer is sent again after a second. Should this shell be
# killed, what it left to run lets people in again.
_HOLD = """
door() {
  for tool in iptables ip6tables; do
    $tool --wait 5 "$1" INPUT --protocol tcp --syn --match multiport --dports 80,443 --jump DROP 2>/dev/null || true
  done
}
let_in() { door --delete; rm -f -- "$closing"; [ -z "$later" ] || kill "$later" 2>/dev/null || true; }
ask_to_leave() {
  trap let_in EXIT
  touch "$closing"
  sleep "$seconds"
  ( sleep 15; door --delete ) >/dev/null 2>&1 </dev/null & later=$!
  door --insert
  sleep HOLD_SECONDS
}
""".replace("HOLD_SECONDS", str(HOLD_SECONDS))

_ADMIN = "unix//run/caddy-admin.sock"
_CONFIG = "/etc/caddy/Caddyfile"
_RELOAD = ("--config", _CONFIG, "--adapter", "caddyfile", "--address", _ADMIN)
_ROOT_CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"


def caddyfile(sites: Mapping[str, Site]) -> str:
    """The whole configuration, from the sites by app.

    The admin interface is a socket inside the container, never a port. The health checker's complaints
    about an empty slot are left out of the log: at five a second they would fill the disk. HTTP/3 is off
    because its connections do not survive that two Caddys share a port while one replaces the other. There is no
    grace period: with one, a request in flight was seen cut at a reload.
    """
    by_address = sorted(sites.items(), key=lambda item: (item[1].address, -len(item[1].path), item[0]))
    blocks = [_block(address, list(group)) for address, group in groupby(by_address, key=lambda item: item[1].address)]
    # A client that asks for a bare address names nobody in its handshake.
    unnamed = next((site.name for _, site in by_address if site.tls == "internal"), None)
    return "\n".join([_options(unnamed), *blocks])


def _options(unnamed: str | None) -> str:
    sni = f"\n\tdefault_sni {unnamed}" if unnamed else ""
    return f"""{{
	admin {_ADMIN}
	persist_config off
	skip_install_trust{sni}
	log default {{
		exclude http.handlers.reverse_proxy.health_checker.active
	}}
	servers {{
		protocols h1 h2
	}}
}}
"""


def _block(address: str, sites: list[tuple[str, Site]]) -> str:
    """One address, and the apps that share it: the longest path first.

    While the file `closing` is there, each answer asks its client to connect anew, so that a reload finds no
    idle connection to break.
    """
    _, first = sites[0]
    apps = "\n".join(_app(app, site) for app, site in sites)
    if not any(site.path == "" for _, site in sites):
        apps += "\n\t\thandle {\n\t\t\trespond 404\n\t\t}"
    return f"""{address} {{
{_tls(sites[0][0], first)}	@closing file {{
		root /etc/caddy
		try_files closing
	}}
	header @closing Connection close
	route {{
{apps}
	}}
	handle_errors {{
		header Content-Type application/problem+json
		respond `{{"type":"about:blank","title":"{{err.status_text}}","status":{{err.status_code}}}}`
	}}
}}
"""


def _tls(app: str, site: Site) -> str:
    hsts = f'\theader Strict-Transport-Security "max-age={site.hsts_seconds}"\n' if site.hsts_seconds else ""
    if site.tls == "off":
        return ""
    if site.tls == "internal":
        return f"\ttls internal\n{hsts}"
    options = [
        *([f"dir {site.directory}"] if site.directory else []),
        *([f"email {site.email}"] if site.email else []),
        *([f"trusted_roots {_authority(app)}"] if site.root else []),
    ]
    if not options:
        return hsts
    lines = "\n".join(f"\t\t\t{option}" for option in options)
    return f"\ttls {{\n\t\tissuer acme {{\n{lines}\n\t\t}}\n\t}}\n{hsts}"


def _app(app: str, site: Site) -> str:
    """An app's two fixed slots, of which Caddy serves the first that is in rotation.

    A release is switched by its rotation check, never by a reload. A request that meets a dead slot is held and
    sent to the other, POST too: answering one row twice is harmless. The check itself is not for the outside.
    """
    upstreams = " ".join(f"{slot}:{RUNTIME_PORT}" for slot in site.slots)
    matcher = f"\t\t@{app} path {site.path} {site.path}/*\n" if site.path else ""
    strip = f"\t\t\turi strip_prefix {site.path}\n" if site.path else ""
    forwarded = f"\n\t\t\t\theader_up X-Forwarded-Prefix {site.path}" if site.path else ""
    return f"""{matcher}		handle{f" @{app}" if site.path else ""} {{
{strip}			@internal-{app} path /rotation
			respond @internal-{app} 404
			request_body {{
				max_size {site.max_body}
			}}
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
				request_buffers {site.max_body}{forwarded}
				transport http {{
					dial_timeout 1s
					keepalive 60s
					keepalive_idle_conns_per_host 256
				}}
			}}
		}}"""


def authority_file(app: str) -> str:
    """Where the root of an app's own ACME authority is on the host."""
    return f"{CADDY}/{app}.acme.pem"


def _authority(app: str) -> str:
    return authority_file(app).replace(CADDY, "/etc/caddy")


def run(name: str, image: str) -> list[str]:
    """Start a Caddy on the ports of the machine.

    It shares the machine's network, so that another can listen beside it on the same ports while one replaces
    the other, and so that the machine's firewall has its say.
    """
    return [
        "docker", "run", "--detach",
        "--name", name,
        "--network", "host",
        "--restart", "unless-stopped",
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
        "--stop-timeout", str(STOP_SECONDS),
        image,
        "caddy", "run", "--config", _CONFIG, "--adapter", "caddyfile",
    ]  # fmt: skip


def replace(image: str) -> list[str]:
    """Start Caddy in place of one that may be there: one command, so that it completes whatever becomes of us.

    The new one listens beside the old one before that is stopped; in between, clients are asked to move over.
    """
    script = """
set -e
later=
old="$1" next="$2" closing="$3" seconds="$4"; shift 4
docker inspect "$old" >/dev/null 2>&1 || docker rename "$next" "$old" 2>/dev/null || true
docker rm --force --volumes "$next" >/dev/null 2>&1 || true
"$@" >/dev/null
tries=100
until docker exec "$next" caddy reload $RELOAD >/dev/null 2>&1; do
  tries=$((tries - 1))
  [ $tries -gt 0 ] || { docker logs --tail 5 "$next" >&2; docker rm --force "$next" >/dev/null; exit 1; }
  sleep 0.1
done
if docker inspect "$old" >/dev/null 2>&1; then
  ask_to_leave
  docker stop "$old" >/dev/null
  docker rm --volumes "$old" >/dev/null
fi
docker rename "$next" "$old"
""".replace("$RELOAD", " ".join(_RELOAD))
    arguments = [CADDY_CONTAINER, NEXT_CONTAINER, CLOSING, str(CLOSING_SECONDS)]
    return ["sh", "-c", _HOLD + script, "replace", *arguments, *run(NEXT_CONTAINER, image)]


def apply(digest: str, closing_seconds: int) -> list[str]:
    """Reload the Caddyfile without breaking a connection, and note its digest: again one command.

    A reload closes idle connections while clients may write to them. So for some seconds before it each answer
    closes its connection, until none is idle that a client still uses; no seconds are for when there are no clients.
    """
    script = """
set -e
closing="$1" seconds="$2" applied="$3" digest="$4"; shift 4
later=
[ "$seconds" = 0 ] || ask_to_leave
"$@" >&2
printf %s "$digest" > "$applied"
"""
    return ["sh", "-c", _HOLD + script, "apply", CLOSING, str(closing_seconds), APPLIED, digest, *reload()]


def validate() -> list[str]:
    """Check standard input as a Caddyfile, as far as that goes without using it."""
    return [
        "docker", "exec", "--interactive", CADDY_CONTAINER,
        "caddy", "adapt", "--validate", "--adapter", "caddyfile", "--config", "-",
    ]  # fmt: skip


def reload() -> list[str]:
    return run_inside(CADDY_CONTAINER, "caddy", "reload", *_RELOAD)


def root_certificate() -> list[str]:
    """Print the root certificate of Caddy's own authority. The image need not have a single tool."""
    script = 'set -e; docker cp "$1:$2" - | tar --extract --to-stdout'
    return ["sh", "-c", script, "root", CADDY_CONTAINER, _ROOT_CERTIFICATE]
