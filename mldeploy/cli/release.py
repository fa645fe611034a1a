from __future__ import annotations


def ship() -> None:
    raise NotImplementedError


def rollback() -> None:
    raise NotImplementedError


def releases() -> None:
    raise NotImplementedError
