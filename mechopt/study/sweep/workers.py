"""Who computes the points of a sweep: this process, local processes, or a Dask cluster.

A worker that dies loses nothing: Dask gives its points to another; of local processes, the points that were under way
are tried again one by one, and the one that kills its process once more becomes a row that says so.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from itertools import islice

from mechopt.study.sweep.point import FAILED, Point, Recording, Row, record_batch, record_point
from mechopt.study.workers.interrupts import interrupts_seen
from mechopt.study.workers.pool import SCHEDULER_LOST, Workers, WorkersLost, dask_workers, local_workers

AHEAD = 2
"""Batches at each worker, the one under way included, so that none is idle."""
BATCH_SECONDS = 0.25
"""What a batch is to take: long beside what sending and keeping it takes, short beside what is lost with a process."""
MAX_BATCH = 500
DIED = "the worker process died at this point, for want of memory perhaps; use fewer workers"

Batch = list[tuple[Point, Row]]


class _Queue:
    """Points that wait, taken in batches of about `BATCH_SECONDS`; nothing is drawn before its time."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._points, self._alone = iter(points), deque[Point]()
        self._seconds, self._count, self._next = 0.0, 0, deque[Point]()

    def __bool__(self) -> bool:
        if not (self._alone or self._next):
            self._next.extend(islice(self._points, 1))
        return bool(self._alone or self._next)

    def take(self) -> list[Point]:
        """The next batch; what is suspected of killing its worker comes by itself."""
        if self._alone:
            return [self._alone.popleft()]
        most = MAX_BATCH if self._seconds == 0 and self._count else 1
        if self._seconds > 0:
            most = max(1, min(MAX_BATCH, int(BATCH_SECONDS * self._count / self._seconds)))
        batch = [*self._next, *islice(self._points, most - len(self._next))]
        self._next.clear()
        return batch

    def again(self, points: Iterable[Point]) -> None:
        """Put points back, to be tried one by one."""
        self._alone.extend(points)

    def took(self, count: int, seconds: float) -> None:
        """Learn how long points take; the last ones count most."""
        self._count, self._seconds = self._count // 2 + count, self._seconds / 2 + seconds


def computed(points: Iterable[Point], recording: Recording, workers: int, scheduler: str | None) -> Iterator[Batch]:
    """Points with their rows, in the order in which they are done; those that belong together at once.

    Parameters
    ----------
    points : iterable of Point
        Asked for one by one, as they are needed.
    recording : Recording
    workers : int
        Local processes; 1 computes in this one.
    scheduler : str or None
        Address of a Dask scheduler, instead.

    Raises
    ------
    InputError
        If there is no scheduler at the address, or a worker has another version of the library.
    WorkersLost
        If the scheduler is gone.
    """
    if scheduler is not None:
        with dask_workers(scheduler) as cluster:
            yield from _in_flight(_Queue(points), recording, cluster)
    elif workers == 1:
        yield from _here(points, recording)
    else:
        yield from _local(_Queue(points), recording, workers)


def _here(points: Iterable[Point], recording: Recording) -> Iterator[Batch]:
    """In this process; what is done when Ctrl-C comes is given first."""
    done, begun = Batch(), time.perf_counter()
    with interrupts_seen() as interrupted:
        try:
            for point in points:
                row = record_point(point.text, recording)
                if interrupted:  # whoever caught it: the row is not what it would have been
                    raise KeyboardInterrupt
                done.append((point, row))
                if time.perf_counter() - begun > BATCH_SECONDS:
                    ready, done = done, Batch()
                    yield ready
                    begun = time.perf_counter()
        finally:
            if done and sys.exc_info()[0] is not GeneratorExit:
                yield done


def _local(waiting: _Queue, recording: Recording, workers: int) -> Iterator[Batch]:
    """On local processes, started anew when one of them dies."""
    while waiting:
        suspects: deque[Point] = deque()
        with local_workers(workers) as pool:
            yield from _in_flight(waiting, recording, pool, suspects)
        while suspects:
            with local_workers(1) as pool:
                yield from _one_by_one(suspects, recording, pool)


def _one_by_one(suspects: deque[Point], recording: Recording, workers: Workers) -> Iterator[Batch]:
    """Until one kills the process."""
    while suspects:
        point = suspects.popleft()
        try:
            yield [(point, workers.executor.submit(record_point, point.text, recording).result())]
        except BrokenExecutor:
            yield [(point, {"status": FAILED, "reason": DIED})]
            return


def _in_flight(
    waiting: _Queue, recording: Recording, workers: Workers, lost: deque[Point] | None = None
) -> Iterator[Batch]:
    """Keep every worker busy until nothing waits; where the executor breaks, what was under way is added to lost."""
    flying: dict[Future[tuple[list[Row], float]], list[Point]] = {}
    try:
        while waiting or flying:
            while len(flying) < AHEAD * max(1, workers.width()) and waiting:
                batch = waiting.take()
                texts = [point.text for point in batch]
                flying[workers.executor.submit(record_batch, record_point, texts, recording)] = batch
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                batch = flying[future]
                try:
                    rows, seconds = future.result()
                except workers.fatal:
                    if len(batch) == 1:
                        yield [(batch[0], {"status": FAILED, "reason": DIED})]
                    else:
                        waiting.again(batch)
                else:
                    waiting.took(len(batch), seconds)
                    yield list(zip(batch, rows, strict=True))
                del flying[future]
    except BrokenExecutor:
        if lost is None:
            raise
        lost += [point for batch in flying.values() for point in batch]
    except workers.gone as error:
        raise WorkersLost(SCHEDULER_LOST) from error
