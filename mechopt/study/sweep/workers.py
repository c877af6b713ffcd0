"""Who computes the points of a sweep: this process, local processes (joblib's loky), or a Dask cluster.

All three are asked in the same way, through an executor of `concurrent.futures`. A worker that dies loses nothing: Dask
gives its points to another; of local processes, the points that were under way are tried again one by one, and the one
that kills its process once more becomes a row that says so.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass

from mechopt.core.errors import InputError, MechoptError
from mechopt.study.sweep.interrupts import interrupts_seen
from mechopt.study.sweep.point import FAILED, Point, Recording, Row, record_point
from mechopt.study.sweep.worker_process import begin

AHEAD = 2
"""Points that wait at each worker, so that none is idle."""
CONNECT_SECONDS = 10
DIED = "the worker process died at this point, for want of memory perhaps; use fewer workers"


@dataclass(frozen=True)
class Workers:
    """An executor and what is known of it.

    Attributes
    ----------
    executor : Executor
    width : callable
        How many points it computes at the same time, now.
    fatal : tuple of exception classes
        What a point raises that killed its workers; others are tried again by the executor itself.
    """

    executor: Executor
    width: Callable[[], int]
    fatal: tuple[type[BaseException], ...] = ()


def computed(
    points: Iterable[Point], recording: Recording, workers: int, scheduler: str | None
) -> Iterator[tuple[Point, Row]]:
    """Each point with its row, in the order in which they are done.

    Parameters
    ----------
    points : iterable of Point
    recording : Recording
    workers : int
        Local processes; 1 computes in this one.
    scheduler : str or None
        Address of a Dask scheduler, instead.

    Raises
    ------
    InputError
        If there is no scheduler at the address, or a worker has another version of the library.
    MechoptError
        If the scheduler is lost.
    """
    if scheduler is not None:
        with dask_workers(scheduler) as cluster:
            yield from _in_flight(deque(points), recording, cluster)
    elif workers == 1:
        with interrupts_seen() as interrupted:
            for point in points:
                row = record_point(point.text, recording)
                if interrupted:  # whoever caught it: the row is not what it would have been
                    raise KeyboardInterrupt
                yield point, row
    else:
        yield from _local(deque(points), recording, workers)


def _local(waiting: deque[Point], recording: Recording, workers: int) -> Iterator[tuple[Point, Row]]:
    """On local processes, started anew when one of them dies."""
    while waiting:
        suspects: deque[Point] = deque()
        with local_workers(workers) as pool:
            yield from _in_flight(waiting, recording, pool, suspects)
        while suspects:
            with local_workers(1) as pool:
                yield from _one_by_one(suspects, recording, pool)


def _one_by_one(suspects: deque[Point], recording: Recording, workers: Workers) -> Iterator[tuple[Point, Row]]:
    """Until one kills the process."""
    while suspects:
        point = suspects.popleft()
        try:
            yield point, workers.executor.submit(record_point, point.text, recording).result()
        except BrokenExecutor:
            yield point, {"status": FAILED, "reason": DIED}
            return


def _in_flight(
    waiting: deque[Point], recording: Recording, workers: Workers, lost: deque[Point] | None = None
) -> Iterator[tuple[Point, Row]]:
    """Keep every worker busy until nothing waits; where the executor breaks, what was under way is added to lost."""
    flying: dict[Future[Row], Point] = {}
    try:
        while waiting or flying:
            while waiting and len(flying) < AHEAD * max(1, workers.width()):
                future = workers.executor.submit(record_point, waiting[0].text, recording)
                flying[future] = waiting.popleft()
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                try:
                    row = future.result()
                except workers.fatal:
                    row = {"status": FAILED, "reason": DIED}
                yield flying[future], row
                del flying[future]
    except BrokenExecutor:
        if lost is None:
            raise
        lost += flying.values()
    except CancelledError:
        raise MechoptError("the scheduler is lost; points so far are kept: start it, and run the same again") from None


@contextmanager
def local_workers(count: int) -> Iterator[Workers]:
    """Processes of this machine with one thread each for linear algebra; Ctrl-C is left to this process."""
    from joblib.externals.loky import ProcessPoolExecutor

    single = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    executor = ProcessPoolExecutor(count, initializer=begin, initargs=(os.getpid(),), env=single)
    finished = False
    try:
        yield Workers(executor, lambda: count)
        finished = True
    finally:
        executor.shutdown(wait=True, kill_workers=not finished)


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
            yield Workers(executor, _refreshed(lambda: sum(client.nthreads().values())), (KilledWorker,))
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
