"""Which registry answers, and by whose word it is trusted: that of the system, and what Docker was told."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from docker.auth import INDEX_NAME

from mldeploy.image.login import Challenged, find_login
from mldeploy.image.repository import Repository, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER_S = 4
"""How long a registry may take to connect, and again for its first answer."""
TRANSFER_S = 60
"""How long it may be silent while bytes move."""


@contextmanager
def open_repository(registry: str, name: str, *, insecure: Callable[[str], bool]) -> Iterator[Repository]:
    """The repository `name` of `registry` (host[:port]), which answers; `insecure` says whether it may lack TLS.

    Raises UnreachableError when it does not answer within 10 s.
    """
    host = f"index.{INDEX_NAME}" if registry == INDEX_NAME else registry
    attempts = [(f"https://{host}", _trusted(registry))]
    if insecure(registry):
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        attempts = [(f"https://{host}", unverified), (f"http://{host}", unverified)]
    login = Challenged(find_login(registry))
    reason = ""
    for url, context in attempts:
        with httpx.Client(base_url=url, verify=context, auth=login, timeout=ANSWER_S) as client:
            try:
                client.get("/v2/", auth=httpx.Auth())
            except httpx.TransportError as failure:
                reason = str(failure) or f"no answer within {ANSWER_S} s"
                continue
            client.timeout = httpx.Timeout(TRANSFER_S, connect=ANSWER_S)
            yield Repository(client, registry, name)
            return
    raise unreachable(registry, reason)


def insecure_as(settings: dict[str, Any]) -> Callable[[str], bool]:
    """Which registries may lack TLS, as the Docker Engine with these `RegistryConfig` settings has it."""
    networks = [ipaddress.ip_network(text) for text in settings.get("InsecureRegistryCIDRs") or ()]
    named = {name for name, index in (settings.get("IndexConfigs") or {}).items() if not index.get("Secure", True)}

    def insecure(registry: str) -> bool:
        host = registry.rpartition(":")[0] or registry
        return registry in named or any(ipaddress.ip_address(at) in net for at in _addresses(host) for net in networks)

    return insecure


def _addresses(host: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def _trusted(registry: str) -> ssl.SSLContext:
    """The system's roots of trust, and those that Docker was given for this registry."""
    context = ssl.create_default_context()
    # Since Python 3.13 a certificate must name the key of its authority; Docker takes one that does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    own = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
    for folder in (Path("/etc/docker/certs.d"), own / "certs.d"):
        for certificate in sorted((folder / registry).glob("*.crt")):
            context.load_verify_locations(certificate)
        for certificate in sorted((folder / registry).glob("*.cert")):
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context
