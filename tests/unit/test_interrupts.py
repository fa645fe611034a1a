"""Ctrl-C strikes after what it must not break, and not at all where it is ignored."""

from __future__ import annotations

import signal

import pytest

from mldeploy import interrupts


def test_an_interrupt_strikes_at_the_end_of_what_defers_it() -> None:
    reached = []

    def break_in() -> None:
        with interrupts.deferred(), interrupts.deferred():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        break_in()
    assert reached == ["the end"]


def test_a_deferred_interrupt_is_ignored_where_all_are() -> None:
    with interrupts.ignored(), interrupts.deferred():
        signal.raise_signal(signal.SIGINT)


def test_after_either_an_interrupt_strikes_again() -> None:
    with interrupts.ignored():
        pass
    with interrupts.deferred():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
