from __future__ import annotations

from mldeploy.image.sbom import Component, list_components
from mldeploy.image.tree import Node, Tree, file_node, with_parents

STATUS = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: a library
 Architecture: not a field

Package: bash
Architecture: amd64
Version: 5.2-1

Package: ca-certificates
Architecture: all
Version: 2025
"""

BASE: Tree = with_parents(
    {
        "lib": Node("link", 0o777, target="usr/lib"),
        "usr/lib/libc.so.6": file_node(b""),
        "usr/bin/bash": file_node(b""),
        "usr/share/doc/bash/copyright": file_node(b""),
        "etc/ssl/certs/ca.crt": file_node(b""),
        "usr/local/include/python3.13/patchlevel.h": file_node(b'#define PY_VERSION              "3.13.5"\n'),
        "var/lib/dpkg/status": file_node(STATUS),
        "var/lib/dpkg/info/libc6:amd64.list": file_node(b"/.\n/lib\n/lib/libc.so.6\n"),
        "var/lib/dpkg/info/bash.list": file_node(b"/usr\n/usr/bin/bash\n/usr/share/doc/bash/copyright\n"),
        "var/lib/dpkg/info/ca-certificates.list": file_node(b"/etc/ssl/certs/ca.crt\n"),
    }
)
KEPT = ("usr/lib/libc.so.6", "etc/ssl/certs/ca.crt", "usr/share/doc/bash/copyright")
METADATA = b"Metadata-Version: 2.4\nName: Typing_Extensions\nVersion: 4.16.0\nLicense-Expression: PSF-2.0\n\nReadme\n"
PACKAGES: Tree = {"opt/x/typing_extensions-4.16.0.dist-info/METADATA": file_node(METADATA)}


def test_packages_are_listed_when_a_file_of_theirs_is_in_the_image_and_only_then() -> None:
    assert list_components(BASE, {name: BASE[name] for name in KEPT}, PACKAGES) == (
        Component("ca-certificates", "2025", "pkg:deb/debian/ca-certificates@2025?arch=all"),
        Component("libc6", "2.41-12", "pkg:deb/debian/libc6@2.41-12?arch=amd64"),
        Component("python", "3.13.5", "pkg:generic/python@3.13.5", "PSF-2.0"),
        Component("typing-extensions", "4.16.0", "pkg:pypi/typing-extensions@4.16.0", "PSF-2.0"),
    )


def test_a_base_that_knows_no_packages_gives_those_of_python_alone() -> None:
    assert [component.name for component in list_components({}, {}, PACKAGES)] == ["typing-extensions"]
