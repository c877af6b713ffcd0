"""Sweeps: one model at many points, or many random models, each recorded by itself; stopped and resumed at will."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError, require_type, shortened
from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.study.sweep.point import DONE, Point, Row
from mechopt.study.sweep.store import Store
from mechopt.study.sweep.study_file import Study, read_study
from mechopt.study.sweep.table import Finished, Lazy, Rows
from mechopt.study.sweep.workers import computed
from mechopt.study.workers.interrupts import interrupts_held
from mechopt.study.workers.pool import WorkersLost, require_workers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Progress = Callable[[int, int, float], None]
"""Called as points are kept, with the number of points that are there, of all points, and seconds."""

READ_AT_ONCE = 500


@dataclass(frozen=True)
class Sweep(Shown):
    """The rows of a sweep.

    Attributes
    ----------
    study : Study
    rows : sequence of dict
        One a point, in the order of the study; those that were not reached are missing. Kept as columns: a row is made
        when it is asked for.
    count : int
        Points of the study.
    fresh : int
        How many rows were computed now; the others were there already.
    seconds : float
        What that took.
    interrupted : bool
        Whether Ctrl-C, or the loss of a scheduler, stopped it.
    damaged : tuple of str
        Rows that did not fit their digest (they were changed after they were written), and files that could not be
        read: computed again.
    lost : str
        What was lost, where that stopped it.
    """

    study: Study
    rows: Finished
    count: int
    fresh: int
    seconds: float
    interrupted: bool
    damaged: tuple[str, ...] = ()
    lost: str = ""

    @property
    def points(self) -> Sequence[Point]:
        """Those of the rows, each drawn when it is asked for."""
        return Lazy(len(self.rows), lambda k: self.study.point(int(self.rows.numbers[k])))

    @property
    def statuses(self) -> dict[str, int]:
        """How many points ended how."""
        return self.rows.counted("status")

    def to_frame(self) -> pd.DataFrame:
        """One row a point.

        Returns
        -------
        pandas.DataFrame
            Index: number of the point. Columns: what varied, ``status``, ``reason``, the quantities (dotted, such as
            ``bound.lower``), ``NAME.revenue``, ``NAME.welfare`` and ``NAME.ratio`` a mechanism; missing where unknown.
        """
        return self.rows.to_frame(self._order)

    def _order(self, column: str) -> int:
        """Varied keys first, then how it ended, quantities as recorded, mechanisms as listed."""
        recording = self.study.recording
        heads = [*self.rows.varied, "status", "reason", *recording.quantities, *recording.mechanisms]
        head = column if column in heads else column.rpartition(".")[0]
        return heads.index(head) if head in heads else len(heads)

    def worst(self, mechanism: str) -> tuple[Point, Row] | None:
        """The point where a mechanism earns the smallest share of the optimum, among those that are done.

        Parameters
        ----------
        mechanism : str
            One of those that the study records.

        Returns
        -------
        (Point, row) or None
            None where there is no such ratio.
        """
        ratios = self.rows.numeric(f"{mechanism}.ratio")
        for k in np.argsort(ratios, kind="stable").tolist():  # those that are not known are last
            if np.isnan(ratios[k]):
                return None
            if (row := self.rows[k])["status"] == DONE:
                return self.points[k], row
        return None

    def to_csv(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        require_target(path)
        text = self.to_frame().to_csv()
        write_atomically(path, lambda file: _write(file, text.encode()))

    def to_parquet(self, path: str | Path) -> None:
        """Write the table as Parquet, whole or not at all; columns of numbers and texts become texts.

        Raises
        ------
        InputError
            If pyarrow is not installed.
        """
        require_parquet()
        from pandas.api.types import infer_dtype

        require_target(path)
        frame = self.to_frame()
        for column in frame.columns:
            if infer_dtype(frame[column], skipna=True).startswith("mixed"):  # numbers beside "infinite"
                frame[column] = frame[column].map(str, na_action="ignore")
        write_atomically(path, lambda file: frame.to_parquet(file, engine="pyarrow"))

    def plot(self, axes: Axes | None = None, y: str = "") -> Axes:
        """Draw lines over the first key, one a mechanism, or a heat map over two keys.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            Where to draw; default a figure of its own.
        y : str
            ``"revenue"``, ``"ratio"`` or a column of the table; default the ratios, or the optimum where no mechanism
            is recorded.

        Raises
        ------
        InputError
            If the table has no such column.
        """
        drawn: Axes = provided(self, "plot")(self, axes, y)
        return drawn

    def save_plot(self, path: str | Path, y: str = "") -> None:
        """Write the plot as PNG, SVG or PDF, by the file's ending, whole or not at all; ``y`` as for `plot`.

        Raises
        ------
        InputError
            If the ending is another, or the file cannot be written.
        """
        provided(self, "save_plot")(lambda: self.plot(y=y), path)

    def __repr__(self) -> str:
        ended = ", ".join(f"{count:,} {status}" for status, count in self.statuses.items())
        return f"Sweep({len(self.rows):,} of {self.count:,} points: {ended})"


def _write(file: Any, content: bytes) -> None:
    file.write(content)


def require_parquet() -> None:
    """Refuse where pyarrow is not installed."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise InputError('Parquet needs pyarrow; pip install "mechopt[parquet]", or take CSV')


def read_shard(text: str) -> tuple[int, int]:
    """Read ``i/n``, with i from 1 to n.

    Raises
    ------
    InputError
        If it is not that.

    Examples
    --------
    >>> read_shard("2/8")
    (2, 8)
    """
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and len(text) < 20 and 1 <= int(part) <= int(parts)):
        raise InputError(f"shard is {shortened(repr(text))}; write i/n with i from 1 to n, such as 2/8")
    return int(part), int(parts)


def sweep(
    study: str | Path | Study,
    folder: str | Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    retry: bool = False,
    progress: Progress | None = None,
    shard: str | None = None,
) -> Sweep:
    """Compute every point of a study that is not there yet.

    Parameters
    ----------
    study : path, name of a bundled study, or Study
    folder : path, optional
        Where rows are kept, in files of SQLite: what is there is not computed again. Default: nothing is kept.
    workers : int
        Local processes; 1 computes in this one.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of local processes.
    retry : bool
        Compute again what failed or ran out of time.
    progress : callable, optional
        See `Progress`.
    shard : str, optional
        ``"i/n"``, from 1 to n: every n-th point alone, beginning with the i-th; for job arrays, whose jobs may share a
        folder. A sweep of the same folder without it merges them: it finds their rows, and computes what is missing.

    Returns
    -------
    Sweep
        With what there is, after Ctrl-C and where a scheduler is lost as well.

    Raises
    ------
    InputError
        If the study or the shard is wrong, the folder cannot be written to, or no scheduler answers.

    Examples
    --------
    >>> found = sweep("horizons")
    >>> found.to_frame()[["horizon", "value"]].round(4).values.tolist()
    [[1.0, 1.0], [2.0, 2.25], [3.0, 3.5], [4.0, 4.7812]]
    """
    require_type(study, (str, PathLike, "Study"), "sweep", "give a study file or the name of a bundled study")
    require_workers(workers)
    study = study if isinstance(study, Study) else read_study(study)
    study.require_points()
    part, parts = (1, 1) if shard is None else read_shard(shard)
    store = None if folder is None else Store(folder, "rows" if shard is None else f"rows-{part}-of-{parts}")
    run = _Run(study, store, part - 1, parts, retry, progress)
    try:
        run.compute(workers, scheduler)
    except KeyboardInterrupt:
        run.interrupted = True
    except WorkersLost as error:
        run.interrupted, run.lost = True, str(error)
    finally:
        if store is not None:
            store.close()
    damaged = () if store is None else tuple(store.damaged)
    seconds = time.perf_counter() - run.begun
    return Sweep(study, run.rows.finished(), run.count, run.fresh, seconds, run.interrupted, damaged, run.lost)


class _Run:
    """One call of `sweep`: what is there, and what is computed."""

    def __init__(
        self, study: Study, store: Store | None, first: int, step: int, retry: bool, progress: Progress | None
    ) -> None:
        self.study, self.store, self.retry, self.progress = study, store, retry, progress
        self.first, self.step, self.count = first, step, len(range(first, study.count, step))
        self.rows, self.fresh, self.interrupted, self.lost = Rows(), 0, False, ""
        self.begun = time.perf_counter()

    def compute(self, workers: int, scheduler: str | None) -> None:
        """Read what is there, compute what is not, and keep it."""
        missing = self.read()
        self.begun = time.perf_counter()
        self.told()
        for batch in computed(missing, self.study.recording, workers, scheduler):
            with interrupts_held():  # what is kept is in the table
                if self.store is not None:
                    self.store.write({point.text: row for point, row in batch}, self.study.recording)
                for point, row in batch:
                    self.rows.add(point.number, point.varied, row)
                self.fresh += len(batch)
            self.told()

    def read(self) -> Iterator[Point]:
        """Take over rows that are kept; the points that remain."""
        points = self.study.points(self.first, self.step)
        if self.store is None or self.store.empty:
            return points
        missing = array("q")
        while batch := list(islice(points, READ_AT_ONCE)):
            kept = self.store.read([point.text for point in batch], self.study.recording)
            for point in batch:
                row = kept.get(point.text)
                if row is None or (self.retry and row["status"] != DONE):
                    missing.append(point.number)
                else:
                    self.rows.add(point.number, point.varied, row)
        return map(self.study.point, missing)

    def told(self) -> None:
        if self.progress is not None:
            self.progress(len(self.rows), self.count, time.perf_counter() - self.begun)
