"""What work will take, learned from what work of late took."""

from __future__ import annotations

# Estimates are of about so much work of late.
MEMORY_SECONDS = 1.0
# How much of what is observed the usual ratio counts for, where nothing that is observed tells of the ratio.
FIRMNESS = 1e-3


class Cost:
    """What a thing with rows costs, as things of late did: so much each, and so much a row, in seconds.

    It is the least squares solution of seconds = things * each + rows * row, with each observation weighted by one over
    its seconds. So what was slow because the machine did something else counts for little: were all things alike, this
    would be the harmonic mean of their costs. Where all have as many rows, the ratio of the two is the usual one.
    """

    def __init__(self, each: float, row: float, observed: float = 0.0) -> None:
        """What is usual, as if so many things, and rows alone, had been observed to take as long."""
        self.each, self.row = each, row
        self._usual_each, self._usual_row = each, row
        # Sums of what was observed: products of the counts over the seconds, and the counts.
        self._each_each, self._each_row, self._row_row = observed / each, 0.0, observed / row
        self._things = self._rows = observed

    def of(self, things: int, rows: int) -> float:
        """Seconds that so many things will take that have so many rows together."""
        return things * self.each + rows * self.row

    def observe(self, seconds: float, things: int, rows: int) -> None:
        """So many things with so many rows together took so long."""
        seconds = max(seconds, 1e-9)
        kept = MEMORY_SECONDS / (MEMORY_SECONDS + min(seconds, MEMORY_SECONDS))
        self._each_each = kept * self._each_each + things * things / seconds
        self._each_row = kept * self._each_row + things * rows / seconds
        self._row_row = kept * self._row_row + rows * rows / seconds
        self._things = kept * self._things + things
        self._rows = kept * self._rows + rows
        self._solve()

    def _solve(self) -> None:
        each, row = self._usual_each, self._usual_row
        firmness = FIRMNESS * (self._each_each * each * each + self._row_row * row * row)
        each_each = self._each_each + firmness / (each * each)
        each_row = self._each_row - firmness / (each * row)
        row_row = self._row_row + firmness / (row * row)
        determinant = each_each * row_row - each_row * each_row
        self.each = (self._things * row_row - self._rows * each_row) / determinant
        self.row = (self._rows * each_each - self._things * each_row) / determinant
        if self.each < 0:
            self.each, self.row = 0.0, self._rows / self._row_row
        elif self.row < 0:
            self.each, self.row = self._things / self._each_each, 0.0
