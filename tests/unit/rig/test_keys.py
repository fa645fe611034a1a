from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509

from tests.rig import keys

if TYPE_CHECKING:
    from pathlib import Path


def test_an_ssh_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    public = keys.ssh_key(tmp_path / "key")
    assert public.startswith("ssh-ed25519 ")
    assert keys.ssh_key(tmp_path / "key") == public
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_server_certificate_names_its_address_and_is_signed_by_the_authority(tmp_path: Path) -> None:
    keys.authority(tmp_path / "ca.crt", tmp_path / "ca.key")
    pem, _ = keys.server_certificate("10.1.2.3", tmp_path / "ca.crt", tmp_path / "ca.key")
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.1.2.3")]
