"""JSON Web Tokens as keys: signed with a shared secret (HS256) or by an identity provider (RS256, a local JWKS)."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import jwt
import msgspec
from jwt.algorithms import Algorithm

from mldeploy_runtime.keys import Caller, from_text
from mldeploy_runtime.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mldeploy_runtime.settings import JwtSettings

LEAST_SECRET_BYTES = 32
LEAST_MODULUS_BITS = 2048
# What a SHA-256 digest is preceded by in a signature (RFC 8017, section 9.2, note 1).
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


class RsaKey(NamedTuple):
    """A public key: modulus and exponent."""

    n: int
    e: int


class Jwk(msgspec.Struct):
    """RFC 7517 and RFC 7518, section 6.3; keys of other types, and for other uses, are passed over."""

    kty: str
    use: str = "sig"
    kid: str = ""
    n: str = ""
    e: str = ""


class Jwks(msgspec.Struct):
    keys: list[Jwk]


class Rs256(Algorithm):
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2.2), which can be verified with integers alone: the library
    that PyJWT has for it would take 15 MB of every image."""

    def prepare_key(self, key: Any) -> Any:
        return key

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        length = (key.n.bit_length() + 7) // 8
        number = int.from_bytes(sig, "big")
        if len(sig) != length or number >= key.n:
            return False
        # What was signed is written anew and compared as a whole, so that no laxity in reading it can be abused.
        info = DIGEST_INFO + hashlib.sha256(msg).digest()
        expected = b"\x00\x01" + b"\xff" * (length - len(info) - 3) + b"\x00" + info
        return hmac.compare_digest(pow(number, key.e, key.n).to_bytes(length, "big"), expected)

    def sign(self, msg: bytes, key: Any) -> bytes:
        raise NotImplementedError

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> Any:
        raise NotImplementedError

    @staticmethod
    def from_jwk(jwk: Any) -> Any:
        raise NotImplementedError


with suppress(KeyError):  # PyJWT's own, where that library happens to be installed
    jwt.unregister_algorithm("RS256")
jwt.register_algorithm("RS256", Rs256())


def token_finder(settings: JwtSettings) -> Callable[[bytes], Caller | None]:
    """A function from a token to its caller; None for one that is not valid here. A token must say whose it is (`sub`)
    and until when (`exp`), and may say what for (`scope`: words with spaces between them); else it is for `predict`.

    Raises SettingsError when a file of the settings cannot be used.
    """
    secret = _read_secret(settings.secret_file) if settings.secret_file else None
    public_keys = _read_jwks(settings.jwks_file) if settings.jwks_file else {}
    audience, issuer = settings.audience or None, settings.issuer or None
    options: Any = {"require": ["exp", "sub"], "verify_aud": audience is not None}

    def key_for(header: dict[str, Any]) -> Any:
        """The algorithm decides which key is tried, so that no public key is ever taken for a secret."""
        match header.get("alg"):
            case "HS256":
                return secret
            case "RS256":
                return public_keys.get(header.get("kid", ""))
        return None

    def find(token: bytes) -> Caller | None:
        try:
            header = jwt.get_unverified_header(token)
            key = key_for(header)
            if key is None:
                return None
            claims = jwt.decode(token, key, [header["alg"]], options, audience=audience, issuer=issuer)
            expires = float(claims["exp"])
        except (jwt.PyJWTError, ValueError, ArithmeticError, RecursionError):
            return None
        scope = claims.get("scope", "predict")
        if not isinstance(scope, str):
            return None
        return Caller(claims["sub"], f"jwt {claims['sub']}", frozenset(scope.split()), expires=expires)

    return find


def _read_secret(path: Path) -> bytes:
    secret = _read(path).strip()
    if len(secret) < LEAST_SECRET_BYTES:
        raise SettingsError(f"{path} holds {len(secret)} bytes; a secret for HS256 has at least {LEAST_SECRET_BYTES}")
    return secret


def _read_jwks(path: Path) -> dict[str, RsaKey]:
    """The RSA keys by their id; where there is one alone, it is also the key of tokens that name none."""
    try:
        jwks = msgspec.json.decode(_read(path), type=Jwks)
        keys = {
            key.kid: RsaKey(_number(key.n), _number(key.e)) for key in jwks.keys if (key.kty, key.use) == ("RSA", "sig")
        }
    except ValueError as failure:
        raise SettingsError(f"{path} is no JSON Web Key Set: {failure}") from failure
    weak = [name for name, key in keys.items() if key.n.bit_length() < LEAST_MODULUS_BITS or key.e < 3]
    if not keys or weak:
        raise SettingsError(f"{path} holds no RSA key for signatures of {LEAST_MODULUS_BITS} bits or more")
    return keys if len(keys) > 1 else keys | {"": next(iter(keys.values()))}


def _number(text: str) -> int:
    return int.from_bytes(from_text(text.encode()), "big")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failure:
        raise SettingsError(f"{path} cannot be read: {failure.strerror}") from failure
