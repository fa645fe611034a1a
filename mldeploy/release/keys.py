"""API keys of an app. The host holds their hashes alone; whoever makes a key sees it once.

They belong to the app, not to a release: a revoked key stays revoked whatever serves. The server looks at the
file's time, so a change acts within a second and nothing has to be told.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from mldeploy.bundle import Name, Record
from mldeploy.errors import MldeployError, UsageError
from mldeploy.host.commands import files
from mldeploy.host.executor import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder

FIRST_KEY = "first"

_TRY_AGAIN = 75
_TRIES = 5


class Scope(StrEnum):
    """What a key may ask for: the figures, or all else."""

    PREDICT = "predict"
    METRICS = "metrics"


class Key(Record):
    """One key. `sha256` is over the whole of it, `rate` is in requests a second, times are UTC."""

    id: str
    name: Name
    sha256: str
    scopes: tuple[Scope, ...] = (Scope.PREDICT,)
    rate: float | None = None
    created: datetime
    expires: datetime | None = None


class KeyRing(Record):
    """An app's keys.json: a contract with the server, which reads it."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    keys: tuple[Key, ...] = ()


def create_key(
    executor: Executor,
    folder: AppFolder,
    name: str,
    *,
    rate: float | None = None,
    expires: datetime | None = None,
    scopes: tuple[Scope, ...] = (Scope.PREDICT,),
) -> Secret:
    """Add a key and return it: `mld_<id>_<secret>`, whose secret is 192 random bits. It cannot be shown again.

    Raises UsageError when the name is taken or is none.
    """
    key_id = secrets.token_hex(4)
    plain = f"mld_{key_id}_{secrets.token_urlsafe(24)}"
    try:
        key = Key(
            id=key_id,
            name=name,
            sha256=hashlib.sha256(plain.encode()).hexdigest(),
            scopes=scopes,
            rate=rate,
            created=datetime.now(UTC).replace(microsecond=0),
            expires=expires,
        )
    except ValidationError as failure:
        raise UsageError(
            f"{name!r} is no name for a key", remedy="Use lower-case letters, digits and hyphens, 48 at most."
        ) from failure

    def add(ring: KeyRing) -> KeyRing:
        if any(other.name == name for other in ring.keys):
            raise UsageError(
                f"{folder.app} has a key named {name} already",
                remedy=f"Revoke it with `mldeploy keys revoke {name}`, or choose another name.",
            )
        return KeyRing(keys=(*ring.keys, key))

    _change(executor, folder, add)
    return Secret(plain)


def revoke_key(executor: Executor, folder: AppFolder, wanted: str) -> Key:
    """Remove the key of that name or id. Raises UsageError when there is none."""
    keys = read_keys(executor, folder)
    found = next((key for key in keys if wanted in (key.name, key.id)), None)
    if found is None:
        raise UsageError(
            f"{folder.app} has no key named {wanted}",
            cause=f"it has {', '.join(key.name for key in keys) or 'none'}",
            remedy="`mldeploy keys list` lists them.",
        )
    _change(executor, folder, lambda ring: KeyRing(keys=tuple(key for key in ring.keys if key.id != found.id)))
    return found


def read_keys(executor: Executor, folder: AppFolder) -> tuple[Key, ...]:
    return _parse(executor, folder, executor.run(files.read(folder.keys_file)).stdout).keys


def has_keys(executor: Executor, folder: AppFolder) -> bool:
    """Whether a key was ever made for this app, be it revoked since."""
    return bool(executor.run(files.read(folder.keys_file)).stdout)


def _change(executor: Executor, folder: AppFolder, change: Callable[[KeyRing], KeyRing]) -> None:
    """Read, change, and put in place unless another was quicker: then once more."""
    executor.run(files.make_folders(folder.keys))
    for _ in range(_TRIES):
        before = executor.run(files.read(folder.keys_file)).stdout
        after = change(_parse(executor, folder, before)).model_dump_json(by_alias=True)
        # One line and no more, as it is read.
        swap = files.swap(folder.keys_file, hashlib.sha256(before.encode()).hexdigest())
        result = executor.run(swap, stdin=after, check=False)
        if result.exit_code == 0:
            return
        if result.exit_code != _TRY_AGAIN:
            cause = result.stderr or f"the command ended with exit code {result.exit_code}"
            break
    else:
        cause = "others change them all the time"
    raise MldeployError(
        f"the keys of {folder.app} on {executor.name} could not be written",
        cause=cause,
        remedy="Look at the disk's free space there, and run the command again.",
    )


def _parse(executor: Executor, folder: AppFolder, text: str) -> KeyRing:
    try:
        return KeyRing.model_validate_json(text) if text else KeyRing()
    except ValidationError as failure:
        raise MldeployError(
            f"the keys of {folder.app} on {executor.name} cannot be read",
            cause=f"{folder.keys_file} is damaged, or of another version of mldeploy",
            remedy="Remove that file and make new keys, or update mldeploy.",
        ) from failure
