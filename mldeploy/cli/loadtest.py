from __future__ import annotations


def loadtest() -> None:
    raise NotImplementedError
