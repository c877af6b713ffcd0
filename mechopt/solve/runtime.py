"""HiGHS in this process: the one place that constructs solvers, sets their options and runs them.

Three things about HiGHS are the whole process's, and none may reach an answer of ours or a user's standard output:

- A solver prints a banner from its constructor, before any option can be set. Ours turn the output off between the
  constructor of the compiled part and the rest.
- HiGHS keeps one scheduler a thread, started by whoever solves first in that thread, with the number of threads that
  it asked for; who then asks for another number gets an error. We solve with one thread, and each thread that calls us
  has a thread of ours that solves for it, so that no scheduler but ours is met there, and ours is met nowhere else.
- HiGHS prints some lines whatever its options say, through C's standard stream. That stream, not file descriptor 1,
  leads nowhere while a solver runs: Python's own printing does not pass through it.

What HiGHS calls an error is `SolverError` here.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np

from mechopt.core.errors import InputError, SolverError
from mechopt.core.numbers import Array, FloatArray, IntArray

Answer = TypeVar("Answer")
HIPO = "the solver hipo needs a wheel of its own: pip install highspy-extras"
ADVICE = (
    "try another method, or set values and probabilities closer together; if it stays, please report it with the "
    "model and the versions that `mechopt --version` prints"
)


@cache
def _silent_class() -> Any:
    import highspy

    class Quiet(highspy._Highs):  # type: ignore[misc, name-defined]  # the compiled part, without types
        def __init__(self) -> None:
            super().__init__()
            self.setOptionValue("output_flag", False)

    class SilentHighs(highspy.Highs, Quiet):  # type: ignore[misc]  # in this order the constructor of Highs calls Quiet's
        """A ``highspy.Highs`` that prints nothing from its constructor on; ``silent(False)`` lets it speak."""

    return SilentHighs


def new_highs(options: Mapping[str, Any] | None = None) -> Any:
    """A ``highspy.Highs`` that has printed nothing, with options.

    Raises
    ------
    InputError
        If HiGHS does not take an option; see `set_options`.
    """
    highs = _silent_class()()
    set_options(highs, options or {})
    return highs


def set_options(highs: Any, options: Mapping[str, Any]) -> None:
    """Set options one by one.

    Raises
    ------
    InputError
        If HiGHS has no such option or value, such as a solver whose wheel is not installed.
    """
    for name, value in options.items():
        if highs.setOptionValue(name, value).name == "kError":
            advice = HIPO if value == "hipo" else "see the options of HiGHS"
            raise InputError(f"HiGHS takes no option {name}={value!r}; {advice}")


def load(
    highs: Any,
    maximise: bool,
    offset: float,
    cost: FloatArray,
    columns: tuple[FloatArray, FloatArray],
    rows: tuple[FloatArray, FloatArray],
    matrix: tuple[Array, Array, FloatArray],
) -> None:
    """Pass a program on.

    Parameters
    ----------
    highs : highspy.Highs
    maximise : bool
    offset : float
    cost : float array ``(columns,)``
    columns, rows : pairs of float arrays
        Lower and upper bounds.
    matrix : start, index and value of its rows

    Raises
    ------
    SolverError
        If HiGHS refuses it.
    """
    import highspy

    start, index, value = matrix
    answer = highs.passModel(
        len(cost),
        len(rows[0]),
        len(value),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMaximize if maximise else highspy.ObjSense.kMinimize),
        offset,
        cost,
        *columns,
        *rows,
        start.astype(np.int32),
        index.astype(np.int32),
        value,
        np.zeros(len(cost), dtype=np.int32),
    )
    require(answer, "takes no such program")


def require_whole(highs: Any, columns: IntArray) -> None:
    """Say which columns are whole numbers.

    Raises
    ------
    SolverError
        If HiGHS refuses it.
    """
    import highspy

    kinds = np.full(len(columns), highspy.HighsVarType.kInteger)
    require(highs.changeColsIntegrality(len(columns), columns.astype(np.int32), kinds), "takes no whole numbers")


def basis_of(places: tuple[Array, Array]) -> Any:
    """HiGHS's basis from where columns and rows are to lie; see `mechopt.solve.solution.Solution`."""
    import highspy

    basis = highspy.HighsBasis()
    basis.col_status, basis.row_status = ([highspy.HighsBasisStatus(int(at)) for at in part] for part in places)
    basis.valid = True
    return basis


def require(answer: Any, failed: str) -> None:
    """Turn HiGHS's error into ours.

    Raises
    ------
    SolverError
        If ``answer``, a ``HighsStatus``, is an error.
    """
    if answer.name == "kError":
        raise SolverError(f"HiGHS {failed}: {ADVICE}")


def run(highs: Any) -> None:
    """Solve in our thread; Ctrl-C reaches the solver's next callback, and it ends with what it has.

    highspy offers the same with locks that all its solvers share, which a Ctrl-C at its start leaves locked for ever.

    Raises
    ------
    SolverError
        If HiGHS reports an error.
    """
    stopped, solving = threading.Event(), _Once(highs.run)

    def on_event(event: Any) -> None:
        if stopped.is_set():
            event.interrupt()

    highs.cbSimplexInterrupt += on_event
    highs.cbIpmInterrupt += on_event
    highs.cbMipInterrupt += on_event
    while True:
        try:
            solving.begin()
            answer = _result(solving.answer)
            break
        except KeyboardInterrupt:
            stopped.set()
        except BaseException:  # an alarm, say: the solver ends by itself, and nobody waits behind it
            stopped.set()
            _THREADS.__dict__.clear()
            raise
    require(answer, f"failed (model status {highs.getModelStatus().name})")


def apart(work: Callable[[], Answer]) -> Answer:
    """The value of ``work()``, called in the thread of ours that solves for the calling thread.

    Ctrl-C is raised when the work, which is short, is done: a solver must not run twice at a time. Work that asks for
    this itself goes on in the same thread: who solves many small programs one after another passes them on as one work,
    for to hand a program to a thread and back takes as long as to solve a small one.
    """
    if getattr(_INSIDE, "solving", False):
        return work()
    once = _Once(work)
    return _to_the_end(once, once.begin)


def apart_once(work: Callable[[], Answer], silent: bool = True) -> Answer:
    """The value of ``work()``, called in a thread of its own that ends with it, for solvers with others' options.

    Ctrl-C is raised when the work is done: what it writes to must not change later.
    """
    call, once = contextvars.copy_context().run, _Once(work, silent)
    with ThreadPoolExecutor(1, "mechopt-solver") as thread:
        return _to_the_end(once, lambda: thread.submit(call, once))


class _Once(Generic[Answer]):
    """Work that is done once, however often a thread is told to do it.

    A Ctrl-C may fall into the telling. Whether the work was taken on then cannot be seen there, and a solver that runs
    twice at a time ends the process.
    """

    def __init__(self, work: Callable[[], Answer], silent: bool = True) -> None:
        self.work, self.silent, self.taken = work, silent, threading.Lock()
        self.answer: Future[Answer] = Future()

    def begin(self) -> None:
        """Have it done by the thread that solves for this one, unless it is."""
        if self.taken.locked():
            return
        try:
            _thread().submit(self)
        except BaseException:
            _THREADS.__dict__.clear()  # of which nobody knows whether it knows its thread
            raise

    def withdrawn(self) -> bool:
        """Whether it is not begun; it will not be any more."""
        return self.taken.acquire(blocking=False)

    def __call__(self) -> None:
        if not self.taken.acquire(blocking=False):
            return
        try:
            self.answer.set_result(_silently(self.work) if self.silent else self.work())
        except BaseException as error:
            self.answer.set_exception(error)


def _to_the_end(once: _Once[Answer], begin: Callable[[], Any]) -> Answer:
    """Begin and wait for work that is not left alone; what interrupts this is raised after it."""
    try:
        begin()
        return _result(once.answer)
    except BaseException:
        while not (once.answer.done() or once.withdrawn()):
            with contextlib.suppress(KeyboardInterrupt):
                wait([once.answer], 0.1)
        raise


def _result(running: Future[Answer]) -> Answer:
    """Wait in steps, since some systems let Ctrl-C through only between two waits."""
    while True:
        try:
            return running.result(0.1)
        except TimeoutError:
            if running.done():
                return running.result()


_THREADS = threading.local()
_INSIDE = threading.local()


def _mark() -> None:
    """Note in a thread of ours that it solves."""
    _INSIDE.solving = True


def _thread() -> ThreadPoolExecutor:
    """The thread that solves for this one."""
    if not hasattr(_THREADS, "pool"):
        _THREADS.pool = ThreadPoolExecutor(1, "mechopt-solver", initializer=_mark)
    pool: ThreadPoolExecutor = _THREADS.pool
    return pool


class _Stream:
    """C's standard output stream, which leads nowhere as long as any thread asks for it."""

    def __init__(self) -> None:
        self.lock, self.users, self.kept = threading.Lock(), 0, None
        self.stream, self.nowhere = _c_stream()

    @contextlib.contextmanager
    def dropped(self) -> Iterator[None]:
        """Nowhere from here on, and back."""
        if self.stream is None:
            yield
            return
        with self.lock:
            self.users += 1
            if self.users == 1:
                self.kept, self.stream.value = self.stream.value, self.nowhere
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if self.users == 0:
                    self.stream.value = self.kept

    def restore(self) -> None:
        """Nobody asks for it."""
        if self.users:
            self.stream.value = self.kept
        self.lock, self.users = threading.Lock(), 0


def _c_stream() -> tuple[Any, Any]:
    """The C library's variable for the stream, and a stream to nowhere; None where the variable is a constant."""
    import ctypes

    if sys.platform == "darwin":
        name = "__stdoutp"
    elif "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}) and os.confstr("CS_GNU_LIBC_VERSION"):
        name = "stdout"
    else:
        return None, None
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    library.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    return ctypes.c_void_p.in_dll(library, name), library.fopen(os.devnull.encode(), b"w")


@cache
def _stream() -> _Stream:
    return _Stream()


def _forked() -> None:
    """A forked process has none of its parent's threads: none solves, and none asks for silence."""
    _THREADS.__dict__.clear()
    _stream().restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _silently(work: Callable[[], Answer]) -> Answer:
    with _stream().dropped():
        return work()
