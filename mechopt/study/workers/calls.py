"""Calls whose answers are asked for in an order that does not depend on who computes them.

Who needs them says what it may want next (`Calls.start`) and asks for answers in its own order (`Call.answer`). So it
does the same with one process as with many: with one, a call is made when its answer is asked for; with more, answers
that turn out not to be wanted are work for nothing, and change nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from pickle import PicklingError
from typing import Any, Generic, TypeVar

from mechopt.core.errors import InputError
from mechopt.study.workers.pool import (
    PROCESS_LOST,
    SCHEDULER_LOST,
    Workers,
    WorkersLost,
    dask_workers,
    local_workers,
    require_workers,
)

Answer = TypeVar("Answer")
Item = TypeVar("Item")


class Call(Generic[Answer]):
    """A call that is under way at a worker, or waits to be made here."""

    def __init__(self, workers: Workers | None, function: Callable[..., Answer], arguments: tuple[Any, ...]) -> None:
        self._function, self._arguments, self._workers = function, arguments, workers
        self._future: Future[Answer] | None = None
        if workers is not None:
            from mechopt import __version__

            self._future = _guarded(workers, lambda: workers.executor.submit(_called, __version__, function, arguments))

    def answer(self) -> Answer:
        """Value of the function.

        Raises
        ------
        Exception
            What the function raises.
        InputError
            If the function or its arguments cannot be sent to another process.
        WorkersLost
            If its worker, or who gives the work out, is gone.
        """
        if self._workers is None or self._future is None:
            return self._function(*self._arguments)
        return _guarded(self._workers, self._future.result)

    def forget(self) -> None:
        """Do without the answer."""
        if self._future is not None:
            self._future.cancel()


class Calls:
    """Makes calls.

    Parameters
    ----------
    workers : Workers or None
        None: this process alone.
    """

    def __init__(self, workers: Workers | None = None) -> None:
        self._workers = workers

    @property
    def width(self) -> int:
        """How many calls can be under way at the same time."""
        return 1 if self._workers is None else max(1, self._workers.width())

    @property
    def alone(self) -> bool:
        """Whether this process is the only one."""
        return self._workers is None

    def start(self, function: Callable[..., Answer], *arguments: Any) -> Call[Answer]:
        """Begin a call of a function of arguments that can be sent to another process."""
        return Call(self._workers, function, arguments)

    def in_order(self, function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        """Answers for items in their order; twice as many calls as can be made at the same time have begun."""
        under_way = deque[Call[Answer]]()
        for item in items:
            under_way.append(self.start(function, item))
            if self.alone or len(under_way) >= 2 * self.width:
                yield under_way.popleft().answer()
        while under_way:
            yield under_way.popleft().answer()


@contextmanager
def calls(workers: int = 1, scheduler: str | None = None) -> Iterator[Calls]:
    """Make calls here, on local processes or on a Dask cluster.

    Parameters
    ----------
    workers : int
        Local processes; 1 computes in this one.
    scheduler : str, optional
        Address of a Dask scheduler, instead.

    Raises
    ------
    InputError
        If the number cannot be, or there is no scheduler at the address.
    """
    require_workers(workers)
    if scheduler is not None:
        with dask_workers(scheduler) as cluster:
            yield Calls(cluster)
    elif workers == 1:
        yield Calls()
    else:
        with local_workers(workers) as pool:
            yield Calls(pool)


def _called(version: str, function: Callable[..., Answer], arguments: tuple[Any, ...]) -> Answer:
    """At the worker."""
    from mechopt import __version__

    if version != __version__:
        raise InputError(f"this worker has mechopt {__version__}, who asks it has {version}; install the same")
    return function(*arguments)


def _guarded(workers: Workers, ask: Callable[[], Answer]) -> Answer:
    dead: tuple[type[BaseException], ...] = (BrokenExecutor, *workers.fatal)
    try:
        return ask()
    except PicklingError as error:
        what = f"a worker cannot be sent this ({error.__cause__ or error})"
        raise InputError(f"{what}; use functions and values that another process can have, or workers=1") from error
    except dead as error:
        raise WorkersLost(PROCESS_LOST) from error
    except workers.gone as error:
        raise WorkersLost(SCHEDULER_LOST) from error
