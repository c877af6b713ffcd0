"""Waiting for something in another process; what never comes is a hang, reported long after any slow machine."""

import time

HANG_SECONDS = 600


def until(happened, process=None, pause=0.01):
    """Wait until ``happened()`` is true, which is returned; a process that it depends on must not end before."""
    latest = time.monotonic() + HANG_SECONDS
    while not (found := happened()):
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the process ended before: {process.communicate()}")
        if time.monotonic() > latest:
            raise TimeoutError("it never happened")
        time.sleep(pause)
    return found
