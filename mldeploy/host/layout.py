"""Where things are on a host, and what they are called there."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class AppFolder:
    """One app's files on a host."""

    app: str

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
