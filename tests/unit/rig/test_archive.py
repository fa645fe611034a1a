from __future__ import annotations

import io
import tarfile

from tests.rig.archive import File, pack


def test_files_and_their_folders_are_packed_as_roots_own() -> None:
    packed = pack({"etc/ssh/key": File(b"secret", 0o600), "etc/motd": File(b"hello")})
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        entries = {entry.name: (entry.isdir(), entry.mode, entry.uid) for entry in archive}
        key = archive.extractfile("etc/ssh/key")
        assert key is not None
        assert key.read() == b"secret"
    assert entries == {
        "etc": (True, 0o755, 0),
        "etc/ssh": (True, 0o755, 0),
        "etc/motd": (False, 0o644, 0),
        "etc/ssh/key": (False, 0o600, 0),
    }


def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    one, two = File(b"1"), File(b"2")
    assert pack({"a": one, "b": two}) == pack({"b": two, "a": one})
