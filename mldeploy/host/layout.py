"""Where things are on a host, and what they are called there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter, ValidationError

from mldeploy.bundle import Name
from mldeploy.errors import UsageError

ROOT = "/var/lib/mldeploy"
LOCK = f"{ROOT}/lock"
CADDY = f"{ROOT}/caddy"
CADDYFILE = f"{CADDY}/Caddyfile"
APPLIED = f"{CADDY}/applied"
CADDY_PIN = f"{CADDY}/image"
CLOSING = f"{CADDY}/closing"

SITE = "site.json"
TODAY = "today"

NETWORK = "mldeploy"
CADDY_CONTAINER = "mldeploy-caddy"
CADDY_IMAGE = "caddy:2"
CADDY_DATA_VOLUME = "mldeploy-caddy-data"
APP_LABEL = "mldeploy.app"
RUNTIME_PORT = 8080
RUNTIME_USER = 10001

RESERVED = frozenset({"caddy", "lock", "prepared"})
"""What is beside the folders of apps under ROOT."""


def _not_reserved(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"mldeploy keeps things of its own under {name}")
    return name


AppName = Annotated[Name, AfterValidator(_not_reserved)]
_APP_NAME: TypeAdapter[str] = TypeAdapter(AppName)


@dataclass(frozen=True)
class AppFolder:
    """One app's files on a host. Raises UsageError for what is no name of an app, and so might lead elsewhere."""

    app: str

    def __post_init__(self) -> None:
        try:
            _APP_NAME.validate_python(self.app)
        except ValidationError as failure:
            raise UsageError(
                f"{self.app!r} is no name for an app",
                cause=failure.errors()[0]["msg"],
                remedy="Use lower-case letters, digits and hyphens, 48 at most, and none of "
                f"{', '.join(sorted(RESERVED))}. An app is called as its bundle is, unless `name` under [app] says so.",
            ) from failure

    @property
    def path(self) -> str:
        return f"{ROOT}/{self.app}"

    @property
    def ledger(self) -> str:
        return f"{self.path}/ledger.jsonl"

    @property
    def slots(self) -> str:
        return f"{self.path}/slots.json"

    @property
    def rotation(self) -> str:
        """A folder: a release is in rotation exactly when a file of its name is here."""
        return f"{self.path}/rotation"

    def in_rotation(self, release: str) -> str:
        return f"{self.rotation}/{release}"

    def settings(self, release: str) -> str:
        return f"{self.path}/settings/{release}.json"

    @property
    def keys(self) -> str:
        """A folder, so that the containers that mount it see its file replaced."""
        return f"{self.path}/keys"

    @property
    def keys_file(self) -> str:
        return f"{self.keys}/keys.json"

    @property
    def predictions(self) -> str:
        """Where each release logs to a folder of its name."""
        return f"{self.path}/predictions"

    @property
    def models(self) -> str:
        """What the app's releases have fetched of models that are not in their images."""
        return f"{self.path}/models"

    def secrets(self, release: str) -> str:
        """A folder with a file a secret: those of a release, or today's."""
        return f"{self.path}/secrets/{release}"

    @property
    def site(self) -> str:
        return f"{self.path}/{SITE}"

    def container(self, release: str) -> str:
        return f"{self.app}-{release}"
