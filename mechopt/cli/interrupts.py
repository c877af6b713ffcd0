"""Ctrl-C on the command line, at any moment: one message, one exit status, no traceback.

Before the work begins it ends the process at once. During the work it raises `KeyboardInterrupt`, but for three cases:

- within an import it waits for the end of the import: who interrupts the initialisation of a compiled module gets
  whatever error that module makes of it;
- presses in quick succession are one press: a second one would hit those who clean up after the first;
- a later press, when the first one is not obeyed, ends the process at once.

Where an interrupt was raised and lost (in a destructor, which cannot raise), it comes again. When the work is done it
is ignored: the exit status stands.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

QUICK = 1.0
"""Seconds between two presses that count as one."""
AGAIN = 0.05
"""Seconds after which a press that came at a bad moment comes again."""
STATUS = 3
SHOW_CURSOR = "\x1b[?25h"


class Interrupts:
    """Takes Ctrl-C over when it is made; nothing where this is not the main thread, which signals reach alone."""

    def __init__(self) -> None:
        self._working = self._owed = self._ended = False
        self._last = float("-inf")
        self._able = threading.current_thread() is threading.main_thread()
        if self._able:
            self._before = signal.signal(signal.SIGINT, self._seen)
            self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable

    def begin(self) -> None:
        """From now on there is something to stop and to clean up."""
        self._working = True

    def end(self, stay: bool) -> None:
        """The work is done.

        Parameters
        ----------
        stay : bool
            Ignore Ctrl-C while the process ends; else give it back to who had it.
        """
        self._ended = True
        if self._able and stay:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # which Python, unlike a handler, leaves there to the end
        elif self._able:
            signal.signal(signal.SIGINT, self._before)
            sys.unraisablehook = self._hook

    def _seen(self, number: int, frame: FrameType | None) -> None:
        if self._ended:
            return
        if not self._working:
            _leave()
        now, owed = time.monotonic(), self._owed
        if not owed and now - self._last <= QUICK:
            return
        if _importing(frame):
            self._repeat()
            return
        last, self._last, self._owed = self._last, now, False
        if owed or last == float("-inf"):
            raise KeyboardInterrupt
        _leave()

    def _repeat(self) -> None:
        """Press again in a moment."""
        self._owed = True
        timer = threading.Timer(AGAIN, self._press)
        timer.daemon = True
        timer.start()

    def _press(self) -> None:
        if not self._ended:
            os.kill(os.getpid(), signal.SIGINT)

    def _unraisable(self, lost: Any) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            self._repeat()
        elif not (
            self._ended and "race condition" in str(lost.exc_value)
        ):  # a press on its way when we cease to listen
            self._hook(lost)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _ignored(number: int, frame: FrameType | None) -> None:
    """Do nothing; where a press is on its way already, Python complains of ``SIG_IGN``."""


def _leave() -> None:
    """End the process now; of files that are being written nothing is left."""
    signal.signal(signal.SIGINT, _ignored)
    atomic = sys.modules.get("mechopt.core.atomic")  # nothing is imported here: an import may be what is interrupted
    getattr(atomic, "remove_begun", int)()
    message = "mechopt: interrupted before anything was known\n"
    try:
        os.write(2, (SHOW_CURSOR * os.isatty(2) + message).encode())
    finally:
        os._exit(STATUS)
