"""Files on a host. Writing is atomic and survives a power cut; content travels on standard input only."""

from __future__ import annotations


def make_folders(*paths: str) -> list[str]:
    return ["mkdir", "-p", *paths]


def make_open_folders(*paths: str) -> list[str]:
    """Make folders that everybody may look into, a release's user too, whatever root's umask says."""
    return ["install", "--directory", "--mode=0755", *paths]


def make_folder_of(owner: int, path: str) -> list[str]:
    """Make a folder that only `owner` can look into; it may be there."""
    return ["install", "--directory", f"--owner={owner}", f"--group={owner}", "--mode=0700", path]


def read(path: str) -> list[str]:
    """Print the file; nothing when it is not there."""
    return ["sh", "-c", '[ ! -e "$1" ] || cat -- "$1"', "read", path]


def write(path: str, mode: str = "0644", owner: int | None = None) -> list[str]:
    """Put standard input in place of the file, whole or not at all.

    Fails without any input: that is what a connection looks like that broke before the content came.
    """
    script = (
        "set -e; umask 077; trap 'rm -f -- \"$1.new\"' EXIT; "
        'cat > "$1.new"; test -s "$1.new"; chmod "$2" "$1.new"; [ -z "$3" ] || chown "$3:$3" "$1.new"; '
        'sync "$1.new"; mv -- "$1.new" "$1"; sync "$(dirname "$1")"'
    )
    return ["sh", "-c", script, "write", path, mode, "" if owner is None else str(owner)]


def swap(path: str, expected: str) -> list[str]:
    """Put standard input in place of the file, as `write` does, while the file's SHA-256 is still `expected`.

    A file that is not there counts as an empty one. Exit code 75 (try again) when another was quicker.
    """
    script = (
        'set -e; umask 022; exec 9>> "$1.lock"; flock 9; trap \'rm -f -- "$1.new"\' EXIT; '
        '[ "$(cat -- "$1" 2>/dev/null | sha256sum | cut -c -64)" = "$2" ] || exit 75; '
        'cat > "$1.new"; test -s "$1.new"; sync "$1.new"; mv -- "$1.new" "$1"; sync "$(dirname "$1")"'
    )
    return ["sh", "-c", script, "swap", path, expected]


def append_line(path: str) -> list[str]:
    """Append standard input, after closing a torn last line, so that a tear never spoils what follows."""
    script = (
        'set -e; if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >> "$1"; fi; '
        'cat >> "$1"; sync "$1"; sync "$(dirname "$1")"'
    )
    return ["sh", "-c", script, "append", path]


def touch(path: str) -> list[str]:
    return ["sh", "-c", 'set -e; : > "$1"; sync "$1"; sync "$(dirname "$1")"', "touch", path]


def remove(path: str) -> list[str]:
    return ["sh", "-c", 'set -e; rm -f -- "$1"; sync "$(dirname "$1")"', "remove", path]


def keep(path: str) -> list[str]:
    """Put a copy of a file or folder aside, whole or not at all; for one that is not there, an empty file."""
    script = (
        'set -e; rm -rf -- "$1.before" "$1.before.new"; '
        'if [ -e "$1" ]; then cp --archive -- "$1" "$1.before.new"; else : > "$1.before.new"; fi; '
        'sync --file-system "$1.before.new"; mv -- "$1.before.new" "$1.before"; sync "$(dirname "$1")"'
    )
    return ["sh", "-c", script, "keep", path]


def bring_back(path: str) -> list[str]:
    """Let what `keep` put aside be there again; nothing when nothing is aside. One that was cut off can be repeated."""
    script = (
        'set -e; rm -rf -- "$1.before.new"; [ -e "$1.before" ] || exit 0; '
        'if [ -d "$1.before" ]; then rm -rf -- "$1"; mv -- "$1.before" "$1"; '
        'elif [ -s "$1.before" ]; then mv -- "$1.before" "$1"; '
        'else rm -rf -- "$1"; rm -- "$1.before"; fi; sync "$(dirname "$1")"'
    )
    return ["sh", "-c", script, "bring back", path]


def forget(*paths: str) -> list[str]:
    """Remove what `keep` put aside of these."""
    return ["rm", "-rf", "--", *(f"{path}.before" for path in paths)]


def copy_folder(source: str, target: str) -> list[str]:
    """Let `target`, which is there, hold the files of `source`, which need not be, and no others."""
    script = 'set -e; rm -f -- "$2"/*; [ ! -d "$1" ] || cp --preserve --recursive -- "$1/." "$2"; sync "$2"'
    return ["sh", "-c", script, "copy", source, target]


def differing(first: str, second: str) -> list[str]:
    """Print the names of the files in which two folders differ, one a line."""
    script = 'ls -1 "$1" "$2" 2>/dev/null | grep -v -e ":$" -e "^$" | sort -u | while IFS= read -r name; do '
    script += 'cmp -s -- "$1/$name" "$2/$name" || printf "%s\\n" "$name"; done'
    return ["sh", "-c", script, "differ", first, second]


def remove_all_but(folder: str, kept: tuple[str, ...]) -> list[str]:
    """Remove the folder, or all in it but the files `kept`."""
    if not kept:
        return ["rm", "-rf", "--", folder]
    unless = [part for path in kept for part in ("!", "-path", path)]
    return ["find", folder, "-mindepth", "1", "-depth", *unless, "-delete"]


def list_folder(path: str) -> list[str]:
    """Print the names in the folder, one a line; nothing when it is not there."""
    return ["sh", "-c", '[ ! -d "$1" ] || ls -1 -- "$1"', "list", path]


def pack_recent(folder: str, seconds: float) -> list[str]:
    """Print a tar archive of the files in the folder that were written to in the last `seconds`.

    A file that grows meanwhile is packed as long as it was at first.
    """
    script = (
        '[ -d "$1" ] || exec tar --create --files-from /dev/null; cd "$1"; '
        'find . -type f ! -name ".*" -newermt "-$2 seconds" -print0 | '
        "tar --create --null --files-from - --warning=no-file-changed"
    )
    return ["sh", "-c", script, "pack", folder, f"{seconds:.0f}"]


def read_each(folder: str, name: str) -> list[str]:
    """Print `path<TAB>content` for each file `folder`/*/`name`; the content must be one line."""
    script = 'for f in "$1"/*/"$2"; do [ ! -e "$f" ] || printf \'%s\\t%s\\n\' "$f" "$(cat -- "$f")"; done'
    return ["sh", "-c", script, "read", folder, name]
