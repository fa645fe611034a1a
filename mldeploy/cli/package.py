from __future__ import annotations


def package() -> None:
    raise NotImplementedError
