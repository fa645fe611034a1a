"""Where an app answers on its host: its address and path, who signs its certificate, and its two slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from mldeploy.bundle import Record
from mldeploy.errors import MldeployError, UsageError
from mldeploy.host.commands import files
from mldeploy.host.layout import ROOT, SITE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mldeploy.config import AppConfig
    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder


class Site(Record):
    """One app's site. `name` is a domain or an address; an empty one means every name, which only HTTP can serve.

    `directory` and `root` are those of another ACME authority: its URL, and its root certificate as PEM.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    path: str = ""
    tls: Literal["acme", "internal", "off"]
    email: str | None = None
    directory: str | None = None
    root: str | None = None
    hsts_seconds: int = 0
    max_body: int
    slots: tuple[str, str]

    @property
    def scheme(self) -> str:
        return "http" if self.tls == "off" else "https"

    @property
    def address(self) -> str:
        """As Caddy names a site."""
        return f"{self.scheme}://{self.name}"

    @property
    def url(self) -> str:
        """Where the app answers; `*` stands for every name."""
        return f"{self.scheme}://{self.name or '*'}{self.path}"

    def url_at(self, address: str) -> str:
        """The app as it is found at an address of its host, for a client that sends the name apart."""
        return f"{self.scheme}://{address}{self.path}"


def site_for(app: AppConfig, address: str, slots: tuple[str, str]) -> Site:
    """The site that the settings ask for, on a host that people reach at `address`.

    A domain is certified by a public authority, a bare address by the host's own; both unless told otherwise.
    """
    tls = app.tls
    mode = tls.mode or ("acme" if app.domain else "internal")
    return Site(
        name=app.domain or ("" if mode == "off" else address),
        path=app.path or "",
        tls=mode,
        email=tls.email,
        directory=tls.directory,
        root=_read_root(tls.root) if tls.root else None,
        # Browsers obey it for names that they trust, and never for addresses.
        hsts_seconds=tls.hsts_seconds if mode == "acme" else 0,
        max_body=app.requests.max_body,
        slots=slots,
    )


def _read_root(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as failure:
        raise UsageError(
            f"{path}, the root of the certificate authority, cannot be read", cause=str(failure)
        ) from failure


def read_site(executor: Executor, folder: AppFolder) -> Site:
    """An app's site. Raises MldeployError when it has none."""
    text = executor.run(files.read(folder.site)).stdout
    try:
        return Site.model_validate_json(text)
    except ValidationError as failure:
        raise MldeployError(
            f"it is not known where {folder.app} answers on {executor.name}",
            cause=f"{folder.site} is missing or damaged",
            remedy="Ship the app again: that writes it anew.",
        ) from failure


def read_sites(executor: Executor) -> dict[str, Site]:
    """The sites of a host, by app."""
    sites = {}
    for line in executor.run(files.read_each(ROOT, SITE)).stdout.splitlines():
        path, _, content = line.partition("\t")
        try:
            sites[path.split("/")[-2]] = Site.model_validate_json(content)
        except ValidationError as failure:
            raise MldeployError(
                f"{path} on {executor.name} cannot be read",
                cause=str(failure.errors()[0]["msg"]),
                remedy="It is damaged, or was written by another version of mldeploy: update this one.",
            ) from failure
    return sites


def require_free(app: str, site: Site, sites: Mapping[str, Site], host: str) -> None:
    """Raise UsageError when another app of the host has this place, or another say on how it is signed."""
    for other, theirs in sites.items():
        if other == app or theirs.name != site.name:
            continue
        if theirs.path == site.path and theirs.address == site.address:
            raise UsageError(
                f"{host} serves {other} there already",
                cause=f"both apps claim {site.url}",
                remedy="Give one of them a `domain` or a `path` of its own under [app] in mldeploy.toml.",
            )
        if _signing(theirs) != _signing(site) and theirs.address == site.address:
            raise UsageError(
                f"{app} and {other} share {site.address} and differ in who signs its certificate",
                cause=f"{other}: {_signing(theirs)}; {app}: {_signing(site)}",
                remedy="Give both the same settings under [app.tls], or one of them a domain of its own.",
            )


def _signing(site: Site) -> tuple[object, ...]:
    return (site.tls, site.email, site.directory, site.root)
