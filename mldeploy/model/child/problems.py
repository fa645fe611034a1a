"""What ends a request: said to the person as it is."""

from __future__ import annotations


class Unusable(Exception):
    """The file cannot be used; says what is wrong, why and what to do."""

    def __init__(self, message: str, cause: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.remedy = remedy
