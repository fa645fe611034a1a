from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.apt import Apt, Source, debian_mirror, parse_deb822, parse_one_line, read_sources, shared_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_one_line_sources_are_read_with_their_options_and_without_comments() -> None:
    text = """\
# deb http://old.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib # ours
deb-src http://mirror.example/debian bookworm main
deb [ arch=amd64 signed-by=/etc/apt/keyrings/house.gpg ] https://house.example/apt stable main
"""
    assert list(parse_one_line(text)) == [
        Source("http://mirror.example/debian", "bookworm", ("main", "contrib")),
        Source("https://house.example/apt", "stable", ("main",), "/etc/apt/keyrings/house.gpg"),
    ]


def test_deb822_sources_are_read_by_uri_and_suite() -> None:
    text = """\
# The archive
Types: deb deb-src
URIs: http://mirror.example/debian
# and its updates
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb-src
URIs: http://sources.example/debian
Suites: trixie
Components: main
"""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert list(parse_deb822(text)) == [
        Source("http://mirror.example/debian", "trixie", ("main",), keyring),
        Source("http://mirror.example/debian", "trixie-updates", ("main",), keyring),
    ]


def test_a_key_written_into_a_source_is_not_taken_for_a_path() -> None:
    text = """\
Types: deb
URIs: http://mirror.example/debian
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBFit
 -----END PGP PUBLIC KEY BLOCK-----
"""
    (source,) = parse_deb822(text)
    assert source.signed_by == ""


def test_both_formats_are_read_from_a_machine(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://one.example/debian sid main\n")
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "b.list").write_text("deb http://three.example/debian sid main\n")
    (folder / "a.sources").write_text("Types: deb\nURIs: http://two.example/debian\nSuites: sid\nComponents: main\n")
    (folder / "c.list.disabled").write_text("deb http://never.example/debian sid main\n")
    assert [source.uri for source in read_sources(tmp_path)] == [
        "http://one.example/debian",
        "http://two.example/debian",
        "http://three.example/debian",
    ]


@pytest.mark.parametrize(
    "archive",
    [
        [
            Source("http://mirror.example/debian/", "bookworm", ("main",)),
            Source("http://mirror.example/debian", "bookworm-updates", ("main",)),
        ],
        [Source("http://mirror.example/debian", "sid", ("main",), "/usr/share/keyrings/debian-archive-keyring.gpg")],
    ],
)
def test_a_vendor_that_borrows_debians_suite_names_is_not_the_archive(archive: list[Source]) -> None:
    vendor = Source("https://vendor.example/debian", "bookworm", ("main",), "/usr/share/keyrings/vendor.gpg")
    chosen = debian_mirror([vendor, *archive])
    assert chosen is not None
    assert chosen.uri == "http://mirror.example/debian"


def test_a_mirror_list_is_followed_to_its_first_entry(tmp_path: Path) -> None:
    mirrors = tmp_path / "debian.list"
    mirrors.write_text("https://near.example/debian\nhttps://far.example/debian\n")
    chosen = debian_mirror([Source(f"mirror+file:{mirrors}", "trixie", ("main",))])
    assert chosen is not None
    assert chosen.uri == "https://near.example/debian"


def test_ubuntu_has_no_debian_mirror() -> None:
    assert debian_mirror([Source("http://archive.example/ubuntu", "noble", ("main", "universe"))]) is None


def test_only_settings_that_reach_a_mirror_are_shared() -> None:
    dump = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://cache.example:3142";
Acquire::http::Proxy::near.example "DIRECT";
Acquire::Check-Valid-Until "false";
Acquire::Languages:: "none";
"""
    assert shared_settings(dump, {}).splitlines() == [
        'Acquire::http::Proxy "http://cache.example:3142";',
        'Acquire::http::Proxy::near.example "DIRECT";',
        'Acquire::Check-Valid-Until "false";',
    ]


def test_a_proxy_of_the_environment_is_shared_unless_apt_has_its_own() -> None:
    environment = {"http_proxy": "http://a.example:1", "HTTPS_PROXY": "http://b.example:2"}
    assert shared_settings('Acquire::http::Proxy "http://c.example:3";\n', environment).splitlines() == [
        'Acquire::http::Proxy "http://c.example:3";',
        'Acquire::https::Proxy "http://b.example:2";',
    ]


def test_an_image_keeps_its_own_sources_where_no_mirror_is_known() -> None:
    files = Apt(mirror="", keyring=None, settings="", ca_bundle=None).files()
    assert list(files) == ["etc/apt/apt.conf.d/90machine"]


def test_an_https_mirror_is_trusted_as_this_machine_trusts_it(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("certificates")
    files = Apt(mirror="https://mirror.example/debian", keyring=None, settings="", ca_bundle=bundle).files()
    assert files["etc/apt/sources.list.d/mirror.list"].content == b"deb https://mirror.example/debian trixie main\n"
    assert files["etc/apt/machine-ca.crt"].content == b"certificates"
    assert b'CAInfo "/etc/apt/machine-ca.crt"' in files["etc/apt/apt.conf.d/90machine"].content
