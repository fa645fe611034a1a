"""Where this machine gets its Debian packages, so that the rig's images get theirs from the same place."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig.archive import File
from tests.rig.shell import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CODENAMES = {"bullseye", "bookworm", "trixie", "forky", "sid"}
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# The settings without which a mirror that works for this machine would not work for its containers.
SHARED_SETTING = re.compile(r"^Acquire::(?:https?::Proxy(?:::[^ ]+)?|Check-Valid-Until|Check-Date) \".+\";$")


@dataclass(frozen=True)
class Source:
    """One place and suite of packages; `signed_by` is a keyring's path, or empty for apt's own trust."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True)
class Apt:
    """What a container needs to install Debian packages as this machine does.

    `mirror` is empty when this machine has no Debian mirror (Ubuntu, say): then debootstrap's own default holds.
    """

    mirror: str
    keyring: Path | None
    settings: str
    ca_bundle: Path | None

    def files(self) -> dict[str, File]:
        """The files that give a Debian image this configuration."""
        settings = self.settings
        files = {}
        if self.mirror:
            files["etc/apt/sources.list.d/mirror.list"] = File(f"deb {self.mirror} trixie main\n".encode())
        if self.keyring:
            files[f"etc/apt/trusted.gpg.d/{self.keyring.name}"] = File(self.keyring.read_bytes())
        if self.ca_bundle:
            files["etc/apt/machine-ca.crt"] = File(self.ca_bundle.read_bytes())
            settings += 'Acquire::https::CAInfo "/etc/apt/machine-ca.crt";\n'
        return {**files, "etc/apt/apt.conf.d/90machine": File(settings.encode())}


def parse_one_line(text: str) -> Iterator[Source]:
    """Parse the one-line format of sources.list(5)."""
    for line in text.splitlines():
        match = re.match(r"^\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>[^#]*)", line)
        if match:
            options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
            signed_by = options.get("signed-by", "").split(",")[0]
            yield Source(match["uri"], match["suite"], tuple(match["rest"].split()), _path(signed_by))


def parse_deb822(text: str) -> Iterator[Source]:
    """Parse the deb822 format of sources.list(5)."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines)):
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", stanza, flags=re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        signed_by = (fields.get("signed-by", "").split() or [""])[0]
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, tuple(fields.get("components", "").split()), _path(signed_by))


def read_sources(folder: Path = Path("/etc/apt")) -> list[Source]:
    """Read all sources of a machine, in apt's order."""
    sources: list[Source] = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        if path.suffix == ".list":
            sources += parse_one_line(path.read_text())
        elif path.suffix == ".sources":
            sources += parse_deb822(path.read_text())
    return sources


def debian_mirror(sources: Iterable[Source]) -> Source | None:
    """Choose the Debian archive among `sources`.

    Vendors name their suites after Debian's, too; only the archive has an -updates suite or Debian's keyring.
    """
    sources = [_resolve(source) for source in sources]
    updated = {source.uri for source in sources if source.suite.endswith("-updates")}
    archives = [
        source
        for source in sources
        if source.suite in CODENAMES and "main" in source.components and source.uri.startswith(("http:", "https:"))
    ]
    sure = [source for source in archives if source.uri in updated or "debian-archive" in source.signed_by]
    return next(iter(sure or archives), None)


def shared_settings(dump: str, environment: Mapping[str, str]) -> str:
    """Pick what containers need from `apt-config dump` and the proxies of the environment, as apt.conf lines."""
    lines = [line for line in dump.splitlines() if SHARED_SETTING.match(line)]
    for scheme in ("http", "https"):
        proxy = environment.get(f"{scheme}_proxy", environment.get(f"{scheme.upper()}_PROXY", ""))
        if proxy and not any(line.startswith(f"Acquire::{scheme}::Proxy ") for line in lines):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return "".join(f"{line}\n" for line in lines)


def read() -> Apt:
    """Read this machine's configuration."""
    source = debian_mirror(read_sources())
    keyring = Path(source.signed_by) if source and source.signed_by else None
    standard = keyring is None or keyring.name.startswith("debian-archive") or not keyring.exists()
    return Apt(
        mirror=source.uri if source else "",
        keyring=None if standard else keyring,
        settings=shared_settings(run("apt-config", "dump"), os.environ),
        ca_bundle=CA_BUNDLE if source and source.uri.startswith("https:") and CA_BUNDLE.exists() else None,
    )


def _path(signed_by: str) -> str:
    """Keep a keyring's path; an inline key block or a fingerprint is left to apt's own trust."""
    return signed_by if signed_by.startswith("/") else ""


def _resolve(source: Source) -> Source:
    """Follow the mirror list that cloud images have (`mirror+file:/etc/apt/mirrors/debian.list`) to its first entry."""
    uri = source.uri
    if uri.startswith("mirror+file:"):
        path = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
        entries = path.read_text().split() if path.is_file() else []
        uri = next((entry for entry in entries if entry.startswith("http")), uri)
    return Source(uri.rstrip("/"), source.suite, source.components, source.signed_by)
