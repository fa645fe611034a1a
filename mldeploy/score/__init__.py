"""`mldeploy score`: a file of rows -> a file of the model's answers, one row in, one row out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mldeploy.errors import MldeployError, UsageError
from mldeploy.score.answers import answer_table, empty_table
from mldeploy.score.rows import Refusal, read_rows
from mldeploy.score.session import open_session
from mldeploy.score.tables import batches, writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mldeploy.bundle import Bundle

SHOWN = 5
# What becomes of a row that the model does not take: it ends all, or its answer is left empty.
OnError = Literal["stop", "empty"]


@dataclass(frozen=True)
class Scored:
    """How many rows were read, and how many of them the model does not take and have an empty answer."""

    rows: int
    refused: int


def score_file(
    bundle: Bundle,
    data: Path,
    out: Path,
    on_error: OnError = "stop",
    progress: Callable[[int], None] | None = None,
) -> Scored:
    """Answer each row of `data` (.csv or .parquet) into `out` (.csv or .parquet), in chunks of bounded memory.

    `out` is there as a whole or not at all. `progress` is told after each chunk how many rows are done.

    Raises UsageError for a file that cannot be read, or lacks fields; MldeployError for a row that the model does
    not take, unless `on_error` leaves its answer empty.
    """
    if out.exists() and out.samefile(data):
        raise UsageError(f"{out} is the file that is read", remedy="Name another file: --out FILE.")
    manifest = bundle.manifest
    rows = refused = 0
    with open_session(bundle) as answer, writing(out, empty_table(manifest).schema) as write:
        for batch in batches(data, [field.name for field in manifest.inputs]):
            given, refusals = read_rows(manifest.inputs, batch)
            wrong = {refusal.row for refusal in refusals}
            kept = [row for row in range(len(given)) if row not in wrong]
            answered = answer(given.select(kept))
            refusals += [Refusal(kept[row], "", "", reason) for row, reason in answered.refused.items()]
            if refusals and on_error == "stop":
                raise _refused(data, rows, sorted(refusals))
            write(answer_table(manifest, answered, kept, len(given)))
            rows += len(given)
            refused += len({refusal.row for refusal in refusals})
            if progress:
                progress(rows)
    return Scored(rows, refused)


def _refused(data: Path, before: int, refusals: list[Refusal]) -> MldeployError:
    shown = "; ".join(str(refusal.after(before)) for refusal in refusals[:SHOWN])
    more = f"; and {len(refusals) - SHOWN} more among the rows read so far" if len(refusals) > SHOWN else ""
    return MldeployError(
        f"{data} holds rows that the model does not take, and nothing was written",
        cause=f"counted from 0: {shown}{more}",
        remedy="Correct or leave out these rows, or leave their answers empty: --on-error empty.",
    )
