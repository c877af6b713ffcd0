"""Compiled pivots: what a Ctrl-C may not interrupt."""

import signal
import threading
import time

import numpy as np
import pytest

from mechopt.solve.promised import kernels


def doubled(numbers):
    numbers *= 2


def test_a_ctrl_c_waits_for_the_compiler(monkeypatch):
    """Which frees objects of LLVM: where it is interrupted between, they are freed twice and the process ends."""
    dispatcher = pytest.importorskip("numba.core.dispatcher")
    compile_, told = dispatcher.Dispatcher.compile, []

    def pressed(self, types):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.2)  # the main thread hears of it here, if it is this one
        told.append("uninterrupted")
        return compile_(self, types)

    monkeypatch.setattr(dispatcher.Dispatcher, "compile", pressed)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    numbers = np.ones(3)
    try:
        with pytest.raises(KeyboardInterrupt):
            kernels.run(doubled, numbers)
        assert told == ["uninterrupted"]
        kernels.run(doubled, numbers)
        assert told == ["uninterrupted"]
        assert numbers.tolist() == [2, 2, 2]
        with pytest.raises(KeyboardInterrupt):
            kernels.run(doubled, numbers[None])
        assert told == ["uninterrupted", "uninterrupted"]
    finally:
        signal.signal(signal.SIGINT, before)
