"""Who computes for a study beside this process: local processes (joblib's loky), or a Dask cluster.

Both are asked in the same way, through an executor of `concurrent.futures`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from dataclasses import dataclass

from mechopt.core.errors import InputError, MechoptError
from mechopt.study.workers.process import begin

CONNECT_SECONDS = 10
MAX_WORKERS = 1000


@dataclass(frozen=True)
class Workers:
    """An executor and what is known of it.

    Attributes
    ----------
    executor : Executor
    width : callable
        How many calls it computes at the same time, now.
    fatal : tuple of exception classes
        What a call raises that killed its workers; others are tried again by the executor itself.
    gone : tuple of exception classes
        What is raised where whoever gives the work out is gone.
    """

    executor: Executor
    width: Callable[[], int]
    fatal: tuple[type[BaseException], ...] = ()
    gone: tuple[type[BaseException], ...] = ()


class WorkersLost(MechoptError):
    """The scheduler of a cluster, or a local process, is gone; what was computed before is kept."""


SCHEDULER_LOST = "the scheduler is lost; what there is so far is kept: start it, and run the same again"
PROCESS_LOST = (
    "a worker process died, for want of memory perhaps; what there is so far is kept: run the same with fewer workers"
)


def require_workers(workers: int) -> None:
    """Refuse a number of processes that cannot be.

    Raises
    ------
    InputError
        If it is not from 1 to `MAX_WORKERS`.
    """
    if isinstance(workers, bool) or not 1 <= workers <= MAX_WORKERS:
        raise InputError(f"workers is {workers}; it must be from 1 to {MAX_WORKERS}")


@contextmanager
def local_workers(count: int) -> Iterator[Workers]:
    """Processes of this machine with one thread each for linear algebra; Ctrl-C is left to this process."""
    from joblib.externals.loky import ProcessPoolExecutor

    single = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    executor = ProcessPoolExecutor(count, initializer=begin, initargs=(os.getpid(),), env=single)
    try:
        yield Workers(executor, lambda: count)
    finally:  # what is not answered by now is not wanted; to wait for processes to end by themselves may last for ever
        executor.shutdown(wait=True, kill_workers=True)


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """The workers of a Dask cluster.

    Raises
    ------
    InputError
        If Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise InputError('a Dask cluster needs Dask; pip install "mechopt[dask]"') from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        what = f"{address}: no Dask scheduler with workers answers there ({error})"
        raise InputError(f"{what}; start one with `dask scheduler`, workers with `dask worker ADDRESS`") from None
    with client:
        executor = client.get_executor(pure=False)
        try:
            width = _refreshed(lambda: sum(client.nthreads().values()))
            yield Workers(executor, width, (KilledWorker,), (CancelledError, OSError))
        finally:
            executor.shutdown(wait=False)


def _refreshed(count: Callable[[], int]) -> Callable[[], int]:
    """Ask at most once a second."""
    known = [0, float("-inf")]

    def refreshed() -> int:
        if time.monotonic() - known[1] > 1.0:
            known[:] = [count(), time.monotonic()]
        return int(known[0])

    return refreshed
