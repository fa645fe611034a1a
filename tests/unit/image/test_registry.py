from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from mldeploy.image.login import Challenged, Login, find_login
from mldeploy.image.registry import insecure_as

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHALLENGE = 'Bearer realm="https://login.example/token",service="registry.example",scope="repository:team/a:pull,push"'


def registry_with_tokens(takes: Callable[[httpx.Request], bool]) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A registry that answers those who show the token `granted`, which its token server gives whom it `takes`."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.host == "login.example":
            return httpx.Response(200, json={"token": "granted"}) if takes(request) else httpx.Response(401)
        if request.headers.get("Authorization") == "Bearer granted":
            return httpx.Response(200)
        return httpx.Response(401, headers={"WWW-Authenticate": CHALLENGE})

    return httpx.MockTransport(answer), asked


def test_a_login_is_exchanged_for_a_token_once_and_shown_to_the_token_server_alone() -> None:
    login = Login("me", "secret")
    transport, asked = registry_with_tokens(lambda request: request.headers.get("Authorization") == login.basic)
    with httpx.Client(transport=transport, auth=Challenged(login)) as client:
        assert client.get("https://registry.example/v2/a").status_code == 200
        assert client.get("https://registry.example/v2/b").status_code == 200
    to_server = [request for request in asked if request.url.host == "login.example"]
    assert len(to_server) == 1
    assert dict(to_server[0].url.params) == {"service": "registry.example", "scope": "repository:team/a:pull,push"}
    assert not [r for r in asked if r not in to_server and r.headers.get("Authorization") == login.basic]


def test_an_identity_token_is_exchanged_as_a_refresh_token() -> None:
    transport, _ = registry_with_tokens(lambda request: b"refresh_token=identity" in request.content)
    with httpx.Client(transport=transport, auth=Challenged(Login("", "", "identity"))) as client:
        assert client.get("https://registry.example/v2/a").status_code == 200


def test_a_login_that_is_not_taken_stays_refused() -> None:
    transport, _ = registry_with_tokens(lambda _: False)
    with httpx.Client(transport=transport, auth=Challenged(Login("me", "wrong"))) as client:
        assert client.get("https://registry.example/v2/a").status_code == 401


def test_the_environment_comes_before_what_docker_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"auths": {"registry.example": {"auth": "bWU6c2VjcmV0"}}}')
    monkeypatch.delenv("MLDEPLOY_REGISTRY_TOKEN", raising=False)
    assert find_login("registry.example") == Login("me", "secret")
    assert find_login("other.example") is None
    monkeypatch.setenv("MLDEPLOY_REGISTRY_TOKEN", "t")
    assert find_login("registry.example") == Login("token", "t")


def test_a_login_never_shows_its_secrets() -> None:
    assert "secret" not in repr(Login("me", "secret", "secret"))


@pytest.mark.parametrize(
    ("registry", "insecure"),
    [
        ("127.0.0.1:5000", True),
        ("127.0.0.9", True),
        ("192.0.2.1:5000", True),
        ("192.0.2.1:5001", False),
        ("198.51.100.1", False),
    ],
)
def test_a_registry_may_lack_tls_where_the_engine_says_so(registry: str, insecure: bool) -> None:
    settings = {"InsecureRegistryCIDRs": ["127.0.0.0/8"], "IndexConfigs": {"192.0.2.1:5000": {"Secure": False}}}
    assert insecure_as(settings)(registry) is insecure
