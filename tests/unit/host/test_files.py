"""The file commands, run for real: atomic, idempotent, and safe after a tear."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING

import pytest

from mldeploy.host.commands import files
from mldeploy.host.executor import CommandError
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path

here = LocalExecutor()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "a b.json")
    here.run(files.write(path, mode="0600"), stdin="one\ntwo")
    assert here.run(files.read(path)).stdout == "one\ntwo"
    assert stat.S_IMODE((tmp_path / "a b.json").stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "file"
    path.write_text("before")
    with pytest.raises(CommandError):
        here.run(files.write(str(path), mode="not-a-mode"), stdin="after")
    assert path.read_text() == "before"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_write_whose_content_did_not_come_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    expected = hashlib.sha256(b"before").hexdigest()
    for command in files.write(str(path)), files.swap(str(path), expected):
        with pytest.raises(CommandError):
            here.run(command, stdin="")
    assert path.read_text() == "before"
    assert not (tmp_path / "file.new").exists()


def test_reading_what_is_not_there_gives_nothing(tmp_path: Path) -> None:
    assert here.run(files.read(str(tmp_path / "none"))).stdout == ""
    assert here.run(files.list_folder(str(tmp_path / "none"))).stdout == ""


def test_appending_closes_a_torn_line_first(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_text("whole\nto")
    here.run(files.append_line(str(path)), stdin="next\n")
    here.run(files.append_line(str(path)), stdin="last\n")
    assert path.read_text() == "whole\nto\nnext\nlast\n"


def test_folders_that_releases_read_are_open_to_them_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "app" / "rotation"
    strict = ["sh", "-c", 'umask 077; exec "$@"', "strict"]
    for _ in range(2):
        here.run([*strict, *files.make_open_folders(str(folder))])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
        folder.chmod(0o700)


def test_touch_and_remove_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "r1"
    for _ in range(2):
        here.run(files.touch(str(path)))
        assert path.exists()
    for _ in range(2):
        here.run(files.remove(str(path)))
        assert not path.exists()


def test_one_line_files_of_all_folders_are_read_with_their_paths(tmp_path: Path) -> None:
    for app in ("a", "b"):
        (tmp_path / app).mkdir()
        (tmp_path / app / "slots.json").write_text(f'{{"{app}": 1}}\n')
    lines = here.run(files.read_each(str(tmp_path), "slots.json")).stdout.splitlines()
    assert lines == [f'{tmp_path}/a/slots.json\t{{"a": 1}}', f'{tmp_path}/b/slots.json\t{{"b": 1}}']
    assert here.run(files.read_each(str(tmp_path / "none"), "slots.json")).stdout == ""


def test_a_folder_is_copied_whole_and_what_was_there_is_gone(tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    for folder, name in ((source, "new"), (target, "old")):
        folder.mkdir()
        (folder / name).write_text(name)
    here.run(files.copy_folder(str(source), str(target)))
    assert [path.name for path in target.iterdir()] == ["new"]
    here.run(files.copy_folder(str(tmp_path / "none"), str(target)))
    assert list(target.iterdir()) == []


def test_folders_differ_in_what_one_lacks_or_has_otherwise(tmp_path: Path) -> None:
    for folder, contents in (("a", {"same": "1", "other": "1", "gone": "1"}), ("b", {"same": "1", "other": "2"})):
        (tmp_path / folder).mkdir()
        for name, content in contents.items():
            (tmp_path / folder / name).write_text(content)
    assert here.run(files.differing(str(tmp_path / "a"), str(tmp_path / "b"))).stdout.split() == ["gone", "other"]
    assert here.run(files.differing(str(tmp_path / "none"), str(tmp_path / "b"))).stdout.split() == ["other", "same"]
    assert here.run(files.differing(str(tmp_path / "none"), str(tmp_path / "neither"))).stdout == ""


def test_all_but_what_is_kept_is_removed(tmp_path: Path) -> None:
    (tmp_path / "app" / "keys").mkdir(parents=True)
    (tmp_path / "app" / "keys" / "keys.json").touch()
    ledger = tmp_path / "app" / "ledger.jsonl"
    ledger.touch()
    here.run(files.remove_all_but(str(tmp_path / "app"), (str(ledger),)))
    assert list((tmp_path / "app").rglob("*")) == [ledger]
    here.run(files.remove_all_but(str(tmp_path / "app"), ()))
    assert not (tmp_path / "app").exists()


def test_what_was_kept_comes_back_once_and_nothing_else_is_touched(tmp_path: Path) -> None:
    site, secrets = tmp_path / "site.json", tmp_path / "r1"
    site.write_text("old")
    secrets.mkdir()
    (secrets / "token").write_text("old")
    for path in (site, secrets):
        here.run(files.keep(str(path)))
    site.write_text("new")
    (secrets / "token").write_text("new")
    (secrets / "added").touch()
    for path in (site, secrets):
        here.run(files.bring_back(str(path)))
    for path in (site, secrets):
        here.run(files.bring_back(str(path)))
    assert site.read_text() == "old"
    assert [(path.name, path.read_text()) for path in secrets.iterdir()] == [("token", "old")]
    assert {path.name for path in tmp_path.iterdir()} == {"site.json", "r1"}


def test_what_was_not_there_when_it_was_kept_goes_again(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    here.run(files.keep(str(path)))
    path.write_text("new")
    here.run(files.bring_back(str(path)))
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_was_cut_off_is_not_brought_back(tmp_path: Path) -> None:
    path, half = tmp_path / "r1", tmp_path / "r1.before.new"
    for folder in (path, half):
        folder.mkdir()
    (path / "token").write_text("mine")
    here.run(files.bring_back(str(path)))
    assert (path / "token").read_text() == "mine"
    assert not half.exists()


def test_what_is_kept_can_be_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text("old")
    here.run(files.keep(str(path)))
    path.write_text("new")
    here.run(files.forget(str(path), str(tmp_path / "none")))
    here.run(files.bring_back(str(path)))
    assert path.read_text() == "new"
