"""What an image is made of: the packages whose files are in it, as a CycloneDX document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any

from mldeploy import __version__
from mldeploy.image.tree import trail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.bundle import Manifest
    from mldeploy.image.tree import Tree

DPKG = "var/lib/dpkg"


@dataclass(frozen=True)
class Component:
    """One package: `purl` is its package URL; `license` is an SPDX expression, or empty where none is declared."""

    name: str
    version: str
    purl: str
    license: str = ""


def list_components(base: Tree, system: Tree, packages: Tree) -> tuple[Component, ...]:
    """The packages that files of the image's `system` and `packages` trees come from.

    `base` is the whole file system that `system` was taken from: it knows its packages.
    """
    found = {*_python(base), *_debian(base, system), *_wheels(packages)}
    return tuple(sorted(found, key=lambda component: component.purl))


def cyclonedx(manifest: Manifest, components: tuple[Component, ...]) -> dict[str, Any]:
    """The document, in CycloneDX 1.6. It holds no time and no serial number, so equal images have equal ones."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "mldeploy", "version": __version__}]},
            "component": {
                "type": "container",
                "name": manifest.name,
                "version": manifest.version,
                "properties": [{"name": "mldeploy:bundle-id", "value": manifest.bundle_id}],
            },
        },
        "components": [_described(component) for component in components],
    }


def _described(component: Component) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
    }
    if component.license:
        described["licenses"] = [{"expression": component.license}]
    return described


def _wheels(packages: Tree) -> Iterator[Component]:
    for name, node in packages.items():
        if name.endswith(".dist-info/METADATA"):
            head = HeaderParser().parsestr(node.read().decode())
            project = re.sub(r"[-_.]+", "-", str(head["Name"])).lower()
            purl = f"pkg:pypi/{project}@{head['Version']}"
            yield Component(project, str(head["Version"]), purl, str(head["License-Expression"] or ""))


def _debian(base: Tree, system: Tree) -> Iterator[Component]:
    """The packages of the distribution that own a file of `system`."""
    status = base.get(f"{DPKG}/status")
    if status is None:
        return
    for text in status.read().decode(errors="replace").split("\n\n"):
        head = HeaderParser().parsestr(text)
        if head["Package"] and any(name in system for name in _owned(base, head["Package"], head["Architecture"])):
            purl = f"pkg:deb/debian/{head['Package']}@{head['Version']}?arch={head['Architecture']}"
            yield Component(head["Package"], head["Version"], purl)


def _owned(base: Tree, package: str, architecture: str) -> Iterator[str]:
    """The files of a package that do the work, wherever links put them; its documentation does not count."""
    names = (f"{DPKG}/info/{package}.list", f"{DPKG}/info/{package}:{architecture}.list")
    text = next((base[name].read().decode() for name in names if name in base), "")
    for line in text.splitlines():
        *_, end = trail(base, line) or [""]
        if end in base and base[end].kind == "file" and not end.startswith("usr/share/doc/"):
            yield end


def _python(base: Tree) -> Iterator[Component]:
    """The interpreter of an official image, which no package owns; its header names its version."""
    for name, node in base.items():
        if re.fullmatch(r"usr/local/include/python3\.\d+/patchlevel\.h", name):
            version = re.search(r'PY_VERSION\s+"([^"]+)"', node.read().decode())
            if version:
                yield Component("python", version[1], f"pkg:generic/python@{version[1]}", "PSF-2.0")
