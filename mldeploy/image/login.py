"""Who we are to a registry: from the environment, or as `docker login` left it, and how that is shown to it."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.request import parse_http_list, parse_keqv_list

import httpx
from docker import auth
from docker.errors import DockerException

from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator

USER_VARIABLE = "MLDEPLOY_REGISTRY_USER"
TOKEN_VARIABLE = "MLDEPLOY_REGISTRY_TOKEN"  # noqa: S105  a name, not a secret
ANY_USER = "token"
"""Registries that hand out tokens mostly take any name with them."""
CLIENT = "mldeploy"


@dataclass(frozen=True)
class Login:
    """A user with a password or token; or an identity token alone, which only a token server takes."""

    user: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def find_login(registry: str) -> Login | None:
    """How to log in to `registry` (host[:port]); None when nobody said.

    MLDEPLOY_REGISTRY_TOKEN comes first; then what Docker's own configuration says, through its credential
    helpers where it names them. Raises UsageError when such a helper fails.
    """
    if token := os.environ.get(TOKEN_VARIABLE):
        return Login(os.environ.get(USER_VARIABLE) or ANY_USER, token)
    try:
        found = auth.load_config().resolve_authconfig(registry) or {}
    except DockerException as failure:
        raise UsageError(
            f"Docker's credential helper for {registry} fails",
            cause=str(failure),
            remedy=f"Mend it, or put a token into {TOKEN_VARIABLE}.",
        ) from failure
    said = {name.lower(): value for name, value in found.items()}
    if said.get("identitytoken"):
        return Login("", "", said["identitytoken"])
    if said.get("username"):
        return Login(said["username"], said["password"])
    return None


class Challenged(httpx.Auth):
    """Shows the login the way that the registry asks for: as it is, or in exchange for a token.

    The exchange is the one of the distribution specification's token authentication.
    """

    requires_response_body = True

    def __init__(self, login: Login | None) -> None:
        self._login = login
        self._shown = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._shown:
            request.headers["Authorization"] = self._shown
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        if scheme.lower() == "bearer":
            answer = yield self._token_request(parse_keqv_list(parse_http_list(rest)))
            if not answer.is_success:
                return
            self._shown = f"Bearer {answer.json().get('token') or answer.json().get('access_token')}"
        elif self._login:
            self._shown = self._login.basic
        else:
            return
        request.headers["Authorization"] = self._shown
        yield request

    def _token_request(self, challenge: dict[str, str]) -> httpx.Request:
        asked = {str(name): challenge[name] for name in ("service", "scope") if name in challenge}
        realm = challenge["realm"]
        if self._login and self._login.identity_token:
            grant = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": self._login.identity_token}
            return httpx.Request("POST", realm, data=grant | asked)
        headers = {"Authorization": self._login.basic} if self._login else {}
        return httpx.Request("GET", realm, params=asked, headers=headers)
