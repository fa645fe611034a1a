from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mldeploy.image.elf import is_elf, read_elf, strip

PYTHON = Path(sys.executable).resolve()


def extension() -> Path:
    """A compiled module of numpy's, with libraries of its own beside it."""
    return next(Path(np.__file__).parent.glob("_core/_multiarray_umath*.so"))


def test_a_program_names_its_libraries_and_its_interpreter() -> None:
    elf = read_elf(PYTHON.read_bytes())
    assert "libc.so.6" in elf.needed
    assert elf.interpreter
    assert Path(elf.interpreter).exists()


def test_a_library_names_where_its_own_libraries_are() -> None:
    elf = read_elf(extension().read_bytes())
    assert any(path.startswith("$ORIGIN") for path in elf.runpath)
    assert elf.interpreter is None


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01 of 32 bits"])
def test_other_files_are_not_taken_for_64_bit_programs(content: bytes) -> None:
    assert not is_elf(content)


def test_a_stripped_module_is_no_larger_loads_and_needs_the_same(tmp_path: Path) -> None:
    content = extension().read_bytes()
    small = strip(content)
    assert len(small) < len(content)
    assert read_elf(small) == read_elf(content)
    module = Path(np.fft.__file__).parent / extension().name.replace("_multiarray_umath", "_pocketfft_umath")
    copy = tmp_path / module.name
    copy.write_bytes(strip(module.read_bytes()))
    load = f"import importlib.util as u; s = u.spec_from_file_location('_pocketfft_umath', {str(copy)!r}); "
    done = subprocess.run(
        [sys.executable, "-c", f"{load}m = u.module_from_spec(s); s.loader.exec_module(m); print(m.fft)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("<ufunc"), done.stderr


def test_stripping_twice_changes_nothing_more() -> None:
    once = strip(PYTHON.read_bytes())
    assert strip(once) == once
