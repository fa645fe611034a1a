"""Who may ask."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mldeploy.release.keys import Key, KeyRing, Scope
from mldeploy_runtime import keys as keys_module
from mldeploy_runtime.settings import JwtSettings, SettingsError
from mldeploy_runtime.tokens import token_finder
from tests.unit.runtime.bundles import mixed_bundle
from tests.unit.runtime.inprocess import Answer, InProcess
from tests.unit.runtime.keyfile import key_of, stored, write_keys
from tests.unit.runtime.server import started

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BODY = json.dumps({"instances": [{"age": 42.0, "plan": "pro", "member": True}]}).encode()
HMAC_KEY = "a secret of more than 32 bytes for tests"
HOUR = timedelta(hours=1)
RSA_KEY, OTHER_RSA_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "LOOK_EVERY_SECONDS", 0.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    metrics = stored("bbbbbbbb", scopes=["metrics"])
    return write_keys(tmp_path / "keys.json", stored("aaaaaaaa"), metrics)


@pytest.fixture
def app(file: Path) -> InProcess:
    return InProcess(mixed_bundle, keys=file)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def ask(app: InProcess, key: str) -> Answer:
    return app.ask("/predict", BODY, bearer(key))


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {key_of('aaaaaaaa')}"},
        {"Authorization": f"bearer {key_of('aaaaaaaa')}"},
        {"X-API-Key": key_of("aaaaaaaa")},
        {"X-API-Key": key_of("aaaaaaaa"), "Authorization": "Basic Zm9vOmJhcg=="},
    ],
)
def test_a_key_comes_as_a_bearer_or_in_a_header_of_its_own(app: InProcess, headers: dict[str, str]) -> None:
    assert app.ask("/predict", BODY, headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {key_of('cccccccc')}"},
        {"Authorization": f"Bearer {key_of('aaaaaaaa')}x"},
        {"Authorization": f"Bearer {key_of('aaaaaaaa')[:-1]}x"},
        {"Authorization": f"Basic {key_of('aaaaaaaa')}"},
        {"Authorization": "Bearer mld_"},
        {"Authorization": "Bearer mls_"},
        {"Authorization": "Bearer mls_e30.AAAA"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer "},
        {"X-API-Key": ""},
        {"X-API-Key": "\xff\xfe"},
        {"X-API-Key": "nonsense", "Authorization": f"Bearer {key_of('aaaaaaaa')}"},
        {},
    ],
)
def test_without_a_valid_key_nothing_is_answered(app: InProcess, headers: dict[str, str]) -> None:
    answer = app.ask("/predict", BODY, headers)
    assert (answer.status, answer.json()["type"]) == (401, "/docs#unauthorized")
    assert (answer.header("www-authenticate") or "").startswith('Bearer realm="mldeploy"')
    assert answer.header("x-request-id") == answer.json()["request_id"]


@pytest.mark.parametrize("path", ["/model", "/docs", "/openapi.json", "/v2", "/v2/health/ready", "/admin"])
def test_every_path_needs_a_key(app: InProcess, path: str) -> None:
    assert app.ask(path, method="GET").status == 401
    assert app.ask(path, headers=bearer(key_of("aaaaaaaa")), method="GET").status == (404 if path == "/admin" else 200)


@pytest.mark.parametrize("path", ["/health", "/ready", "/rotation"])
def test_what_the_host_asks_needs_no_key(app: InProcess, path: str) -> None:
    assert app.ask(path, method="GET").status == 200


def test_under_v2_a_refusal_has_the_protocols_form(app: InProcess) -> None:
    assert app.ask("/v2/models/mixed/infer", b"{}").json() == {"error": "No key came."}


def test_a_key_is_for_its_scopes_alone(app: InProcess) -> None:
    to_metrics = app.ask("/metrics", headers=bearer(key_of("aaaaaaaa")), method="GET")
    to_predict = ask(app, key_of("bbbbbbbb"))
    assert (to_metrics.status, to_predict.status) == (403, 403)
    assert 'error="insufficient_scope", scope="metrics"' in (to_metrics.header("www-authenticate") or "")
    assert app.ask("/metrics", headers=bearer(key_of("bbbbbbbb")), method="GET").status == 200


def test_a_changed_file_acts_without_a_restart(app: InProcess, file: Path) -> None:
    assert (ask(app, key_of("aaaaaaaa")).status, ask(app, key_of("dddddddd")).status) == (200, 401)
    write_keys(file, stored("dddddddd"))
    assert (ask(app, key_of("aaaaaaaa")).status, ask(app, key_of("dddddddd")).status) == (401, 200)


def damaged(**changes: Any) -> bytes:
    return json.dumps({"schema": 1, "keys": [stored("aaaaaaaa"), stored("dddddddd", **changes)]}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b'{"schema": 2, "keys": []}',
        b'{"keys": []}',
        damaged(rate=0),
        damaged(expires="2026-11-21T12:00:00"),
        damaged(scopes="predict"),
        None,
    ],
)
def test_a_file_that_cannot_be_read_leaves_the_keys_in_force(app: InProcess, file: Path, damage: bytes | None) -> None:
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    assert (ask(app, key_of("aaaaaaaa")).status, ask(app, key_of("dddddddd")).status) == (200, 401)
    write_keys(file, stored("dddddddd"))
    assert (ask(app, key_of("aaaaaaaa")).status, ask(app, key_of("dddddddd")).status) == (401, 200)


def test_a_file_that_could_not_be_read_for_a_moment_is_read_then(
    app: InProcess, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(app.service.log, "write", lambda event, *_, **__: lines.append(event))
    write_keys(file, stored("dddddddd"))
    with monkeypatch.context() as moment:
        moment.setattr(type(file), "read_bytes", Mock(side_effect=OSError("too many open files")))
        assert [ask(app, key_of("aaaaaaaa")).status for _ in range(2)] == [200, 200]
    assert (ask(app, key_of("aaaaaaaa")).status, ask(app, key_of("dddddddd")).status) == (401, 200)
    assert lines == ["keys cannot be read"]


def test_what_the_host_writes_is_what_the_server_reads(tmp_path: Path) -> None:
    key = key_of("aaaaaaaa")
    made = Key(
        id="aaaaaaaa",
        name="shop",
        sha256=hashlib.sha256(key.encode()).hexdigest(),
        scopes=(Scope.PREDICT, Scope.METRICS),
        rate=5,
        created=datetime.now(UTC),
        expires=datetime.now(UTC) + HOUR,
    )
    (tmp_path / "keys.json").write_text(KeyRing(keys=(made,)).model_dump_json(by_alias=True))
    app = InProcess(mixed_bundle, keys=tmp_path / "keys.json")
    assert ask(app, key).header("ratelimit-policy") == '"key";q=5;w=1'
    assert app.ask("/metrics", headers=bearer(key), method="GET").status == 200


def test_without_a_file_no_key_is_valid(tmp_path: Path) -> None:
    assert ask(InProcess(mixed_bundle, keys=tmp_path / "none"), key_of("aaaaaaaa")).status == 401


def test_a_key_is_over_when_it_expires(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    over, valid = (now - HOUR).isoformat(), (now + HOUR).isoformat()
    file = write_keys(tmp_path / "keys.json", stored("aaaaaaaa", expires=over), stored("bbbbbbbb", expires=valid))
    app = InProcess(mixed_bundle, keys=file)
    assert (ask(app, key_of("aaaaaaaa")).status, ask(app, key_of("bbbbbbbb")).status) == (401, 200)


def test_a_remembered_key_expires_too(app: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    key = app.service.container.signer.issue("watch", "predict", time.time() + 60)
    assert ask(app, key).status == 200
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert ask(app, key).status == 401


def test_a_short_lived_key_cannot_be_changed_nor_used_at_another_server(app: InProcess, file: Path) -> None:
    key = app.service.container.signer.issue("watch", "predict", time.time() + 60)
    content, _, signature = key.removeprefix("mls_").partition(".")
    claims = json.loads(base64.urlsafe_b64decode(content + "==")) | {"expires": time.time() + 9e9}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert [ask(app, used).status for used in (key, f"mls_{forged}.{signature}", key + "A")] == [200, 401, 401]
    assert ask(InProcess(mixed_bundle, keys=file), key).status == 401


def test_the_control_client_makes_short_lived_keys_and_the_log_names_them(tmp_path: Path) -> None:
    file = write_keys(tmp_path / "keys.json")
    with started(mixed_bundle(tmp_path), tmp_path, MLDEPLOY_KEYS=str(file)) as server:
        code, made = server.control("key", "--name", "loadtest", "--seconds", "60")
        _, other = server.control("key", "--name", "watch", "--seconds", "60", "--scope", "metrics")
        answered = server.client.post("/predict", content=BODY, headers=bearer(made["key"]))
        refused = server.client.post("/predict", content=BODY)
        metrics = server.client.get("/metrics", headers=bearer(other["key"]))
        server.process.terminate()
        output, _ = server.process.communicate(timeout=30)
    assert (code, answered.status_code, refused.status_code, metrics.status_code) == (0, 200, 401, 200)
    assert datetime.now(UTC) < datetime.fromisoformat(made["expires"]) < datetime.now(UTC) + HOUR
    lines = [json.loads(line) for line in output.splitlines()]
    assert [(line["status"], line["key"]) for line in lines if line["event"] == "request"] == [
        (200, "loadtest"),
        (401, ""),
    ]
    assert "mls_" not in output


def test_all_workers_know_a_short_lived_key_and_count_together(tmp_path: Path) -> None:
    file = write_keys(tmp_path / "keys.json", stored("aaaaaaaa", rate=0.01))
    with started(mixed_bundle(tmp_path), tmp_path, MLDEPLOY_KEYS=str(file), MLDEPLOY_WORKERS="2") as server:
        assert server.control("status")[1]["workers"] == 2
        _, made = server.control("key", "--name", "loadtest", "--seconds", "60")

        def ask(key: str) -> int:
            # Each time on a connection of its own, which any worker may take.
            url = f"http://127.0.0.1:{server.port}/predict"
            return httpx.post(url, content=BODY, headers=bearer(key)).status_code

        with ThreadPoolExecutor(8) as pool:
            ours = list(pool.map(ask, [made["key"]] * 40))
            counted = list(pool.map(ask, [key_of("aaaaaaaa")] * 40))
        metrics = server.control("key", "--name", "m", "--seconds", "60", "--scope", "metrics")[1]["key"]
        told = server.client.get("/metrics", headers=bearer(metrics)).text
    assert ours == [200] * 40
    # Two workers that decide at the same moment may both let one through.
    assert 1 <= counted.count(200) <= 2
    assert counted.count(429) == 40 - counted.count(200)
    assert f'mldeploy_problems_total{{kind="rate-limited"}} {counted.count(429)}.0' in told


def hs256(signed_with: str = HMAC_KEY, **claims: Any) -> str:
    return jwt.encode({"sub": "shop", "exp": datetime.now(UTC) + HOUR} | claims, signed_with, "HS256")


def rs256(key: rsa.RSAPrivateKey = RSA_KEY, kid: str = "one", **claims: Any) -> str:
    """Signed with the library that the server does without."""
    now = int(time.time())
    head = {"alg": "RS256", "typ": "JWT", "kid": kid}
    signed = ".".join(text(json.dumps(part).encode()) for part in (head, {"sub": "shop", "exp": now + 3600} | claims))
    return signed + "." + text(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwks(*keys: rsa.RSAPrivateKey) -> str:
    def number(value: int) -> str:
        return text(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    numbers = [key.public_key().public_numbers() for key in keys]
    names = ["one", "two"]
    listed = [
        {"kty": "RSA", "kid": name, "use": "sig", "alg": "RS256", "n": number(each.n), "e": number(each.e)}
        for name, each in zip(names, numbers, strict=False)
    ]
    return json.dumps({"keys": [*listed, {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA"}]})


@pytest.fixture
def tokens(tmp_path: Path) -> InProcess:
    (tmp_path / "secret").write_text(HMAC_KEY + "\n")
    (tmp_path / "jwks").write_text(jwks(RSA_KEY))
    settings = JwtSettings(tmp_path / "secret", tmp_path / "jwks", issuer="https://id.example", audience="churn")
    return InProcess(mixed_bundle, jwt=settings)


RIGHT: dict[str, Any] = {"iss": "https://id.example", "aud": "churn"}


@pytest.mark.parametrize("make", [hs256, rs256])
def test_a_token_of_the_issuer_is_a_key(tokens: InProcess, make: Callable[..., str]) -> None:
    assert ask(tokens, make(**RIGHT)).status == 200
    assert tokens.ask("/metrics", headers=bearer(make(**RIGHT)), method="GET").status == 403
    assert tokens.ask("/metrics", headers=bearer(make(**RIGHT, scope="x metrics")), method="GET").status == 200


@pytest.mark.parametrize(
    "token",
    [
        hs256(),
        hs256(**RIGHT | {"iss": "https://other.example"}),
        hs256(**RIGHT | {"aud": "other"}),
        hs256(**RIGHT, exp=datetime.now(UTC) - HOUR),
        hs256(**RIGHT, nbf=datetime.now(UTC) + HOUR),
        hs256(signed_with="another secret of more than 32 bytes", **RIGHT),
        hs256(**RIGHT, scope=["predict"]),
        jwt.encode(RIGHT | {"sub": "shop"}, HMAC_KEY, "HS256"),
        jwt.encode(RIGHT | {"exp": datetime.now(UTC) + HOUR}, HMAC_KEY, "HS256"),
        jwt.encode(RIGHT | {"sub": "shop", "exp": datetime.now(UTC) + HOUR}, "", "none"),
        jwt.encode(RIGHT | {"sub": "shop", "exp": datetime.now(UTC) + HOUR}, HMAC_KEY * 2, "HS512"),
        rs256(**RIGHT)[:-4] + "AAAA",
        rs256(**RIGHT).rpartition(".")[0] + ".",
        rs256(**RIGHT, kid="two"),
        rs256(OTHER_RSA_KEY, **RIGHT),
        text(b"[" * 30_000) + ".e30.AA",
    ],
)  # fmt: skip
def test_no_other_token_is(tokens: InProcess, token: str) -> None:
    assert ask(tokens, token).status == 401


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jwks"
    path.write_text(jwks(RSA_KEY))
    find = token_finder(JwtSettings(jwks_file=path))
    assert find(rs256().encode()) is not None
    for secret in (json.loads(path.read_text())["keys"][0]["n"], "one"):
        assert find(hs256(signed_with=secret.ljust(32, "=")).encode()) is None


def test_with_several_public_keys_a_token_names_its_own(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_text(jwks(RSA_KEY, OTHER_RSA_KEY))
    find = token_finder(JwtSettings(jwks_file=tmp_path / "jwks"))
    found = [
        find(token.encode())
        for token in (rs256(), rs256(OTHER_RSA_KEY, "two"), rs256(OTHER_RSA_KEY, "one"), rs256(kid=""))
    ]
    assert [caller.name if caller else None for caller in found] == ["shop", "shop", None, None]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("secret_file", "short", "at least 32"),
        ("jwks_file", "{", "is no JSON Web Key Set"),
        ("jwks_file", '{"keys": []}', "holds no RSA key"),
        ("jwks_file", '{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}', "of 2048 bits or more"),
        ("jwks_file", None, "cannot be read"),
    ],
)
def test_a_file_for_tokens_that_cannot_be_used_stops_the_start(
    tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)
    settings: dict[str, Any] = {name: tmp_path / "file"}
    with pytest.raises(SettingsError, match=says):
        token_finder(JwtSettings(**settings))
