"""Rows of fields, as the HTTP interface will carry them: plain values, None for missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, by field name, and for each row where it comes from ("sample", "threshold: age")."""

    columns: dict[str, list[Value]]
    origins: list[str]

    def __len__(self) -> int:
        return len(self.origins)

    def instance(self, row: int) -> dict[str, Value]:
        return {name: values[row] for name, values in self.columns.items()}

    def named(self, origin: str) -> Rows:
        """The same rows, said to come from there."""
        return Rows(self.columns, [f"{origin}: {each}" for each in self.origins])

    def select(self, rows: Sequence[int]) -> Rows:
        return Rows(
            {name: [values[row] for row in rows] for name, values in self.columns.items()},
            [self.origins[row] for row in rows],
        )


def rows_of(instances: Sequence[dict[str, Value]], origins: Sequence[str], names: Sequence[str]) -> Rows:
    return Rows({name: [instance[name] for instance in instances] for name in names}, list(origins))


def joined(parts: Iterable[Rows]) -> Rows:
    """Parts with the same fields, one after the other."""
    parts = list(parts)
    columns: dict[str, list[Any]] = {name: [] for name in parts[0].columns}
    for part in parts:
        for name, values in part.columns.items():
            columns[name].extend(values)
    return Rows(columns, [origin for part in parts for origin in part.origins])
