"""What compiled libraries need, read from their bytes: they may be for a machine that this one is not."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

MAGIC = b"\x7fELF\x02\x01"
"""The start of a 64-bit little-endian ELF file, which is what both target platforms use."""

SECTION_TABLE = {"e_shoff": (40, "<Q"), "e_shnum": (60, "<H"), "e_shstrndx": (62, "<H")}
"""Where the ELF header says that the section table is, as offset and format."""

LINKER_TAGS = {"DT_NEEDED": "needed", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
"""The tags of the dynamic section that lead to libraries, and the attribute that holds the value of each."""


@dataclass(frozen=True)
class Elf:
    """`needed` are names such as libz.so.1; `runpath` are the folders to search first, `$ORIGIN` for its own."""

    needed: tuple[str, ...]
    runpath: tuple[str, ...]
    interpreter: str | None


def is_elf(content: bytes) -> bool:
    return content.startswith(MAGIC)


def read_elf(content: bytes) -> Elf:
    """What the dynamic linker would read of a library or program."""
    said: dict[str, list[str]] = {tag: [] for tag in LINKER_TAGS}
    interpreter = None
    for segment in ELFFile(io.BytesIO(content)).iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        if isinstance(segment, DynamicSegment):
            for tag in segment.iter_tags():
                if tag.entry.d_tag in LINKER_TAGS:
                    said[tag.entry.d_tag] += str(getattr(tag, LINKER_TAGS[tag.entry.d_tag])).split(":")
    return Elf(tuple(said["DT_NEEDED"]), tuple(said["DT_RPATH"] + said["DT_RUNPATH"]), interpreter)


def strip(content: bytes) -> bytes:
    """The file without what only debuggers and linkers read: symbols, debug information, the section table.

    A program is loaded by its segments alone, so everything after the last segment can go. `strip` of the
    binutils does less, and would have to be there for the target's architecture.
    """
    elf = ELFFile(io.BytesIO(content))
    headers_end = elf["e_phoff"] + elf["e_phnum"] * elf["e_phentsize"]
    end = max(headers_end, *(segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments()))
    stripped = bytearray(content[:end])
    for offset, form in SECTION_TABLE.values():
        struct.pack_into(form, stripped, offset, 0)
    return bytes(stripped)
