"""Start of a worker process: it leaves Ctrl-C to its parent, and ends when that is gone."""

from __future__ import annotations

import os
import signal
import threading
import time

LOOK_EVERY = 1.0


def begin(parent: int) -> None:
    """Prepare this process.

    Ctrl-C reaches every process of a terminal, and only the parent knows what to do. A parent that is killed cannot end
    its workers; on POSIX they see that they have another parent now.

    Parameters
    ----------
    parent : int
        Id of the process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":
        threading.Thread(target=_end_without, args=(parent,), daemon=True).start()


def _end_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(1)
