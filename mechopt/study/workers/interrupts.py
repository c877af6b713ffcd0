"""Ctrl-C during long work: noted before it is raised, so that nobody on the way can lose it, or held for a moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_seen() -> Iterator[list[int]]:
    """Note every Ctrl-C, and let who had it before raise `KeyboardInterrupt` as usual.

    The solver catches it and gives what it has; who sees a note knows that this is not what it would have been. Signals
    reach the main thread only: in another one nothing is noted.

    Yields
    ------
    list of int
        One entry a Ctrl-C.
    """
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if callable(before):
            before(number, frame)  # which may think better of it
        else:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let a Ctrl-C wait for the end of the block, for short work that is done whole or not at all.

    Signals reach the main thread only: in another one nothing has to wait.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = signal.getsignal(signal.SIGINT)
    held: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held and callable(before):
            before(*held[-1])
