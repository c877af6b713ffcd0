"""Sweeps: one model at many points, or many random models, each recorded by itself; stopped and resumed at will."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError, shortened
from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.study.sweep.point import DONE, Point, Row
from mechopt.study.sweep.store import Store
from mechopt.study.sweep.study_file import Study, read_study
from mechopt.study.sweep.workers import computed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Progress = Callable[[int, int, float], None]
"""Called with the number of points that are there, of all points, and seconds."""

MAX_WORKERS = 1000


@dataclass(frozen=True)
class Sweep(Shown):
    """The rows of a sweep.

    Attributes
    ----------
    study : Study
    rows : tuple of dict
        One a point, in the order of the study; those that were not reached are missing.
    points : tuple of Point
        Those of the rows.
    count : int
        Points of the study.
    fresh : int
        How many rows were computed now; the others were there already.
    seconds : float
        What that took.
    interrupted : bool
        Whether Ctrl-C stopped it.
    damaged : tuple of Path
        Files of rows that did not fit their digest (they were changed after they were written): computed again.
    """

    study: Study
    rows: tuple[Row, ...]
    points: tuple[Point, ...]
    count: int
    fresh: int
    seconds: float
    interrupted: bool
    damaged: tuple[Path, ...] = ()

    @property
    def statuses(self) -> dict[str, int]:
        """How many points ended how."""
        return dict(Counter(row["status"] for row in self.rows))

    def to_frame(self) -> pd.DataFrame:
        """One row a point.

        Returns
        -------
        pandas.DataFrame
            Index: number of the point. Columns: what varied, ``status``, ``reason``, the quantities (dotted, such as
            ``bound.lower``), ``NAME.revenue``, ``NAME.welfare`` and ``NAME.ratio`` a mechanism; missing where unknown.
        """
        import pandas as pd

        cells = [point.varied | row for point, row in zip(self.points, self.rows, strict=True)]
        columns = sorted({key: None for row in cells for key in row}, key=self._order)
        index = pd.Index([point.number for point in self.points], name="point")
        return pd.DataFrame(cells, index=index, columns=pd.Index(columns))

    def _order(self, column: str) -> int:
        """Varied keys first, then how it ended, quantities as recorded, mechanisms as listed."""
        recording = self.study.recording
        varied = list(self.points[0].varied) if self.points else []
        heads = [*varied, "status", "reason", *recording.quantities, *recording.mechanisms]
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
        column = f"{mechanism}.ratio"
        known = [
            (point, row)
            for point, row in zip(self.points, self.rows, strict=True)
            if row["status"] == DONE and row.get(column) is not None and row[column] == row[column]
        ]
        return min(known, key=lambda pair: pair[1][column], default=None)

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
        Where rows are kept, one file a point: what is there is not computed again. Default: nothing is kept.
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
        With what there is, after Ctrl-C as well.

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
    if isinstance(workers, bool) or not 1 <= workers <= MAX_WORKERS:
        raise InputError(f"workers is {workers}; it must be from 1 to {MAX_WORKERS}")
    study = study if isinstance(study, Study) else read_study(study)
    store = None if folder is None else Store(folder)
    part, parts = (1, 1) if shard is None else read_shard(shard)
    mine = (point for place, point in enumerate(study.points()) if place % parts == part - 1)
    points, rows, missing = list(mine), dict[int, Row](), list[Point]()
    for point in points:
        row = store.read(point.text, study.recording) if store is not None else None
        if row is None or (retry and row["status"] != DONE):
            missing.append(point)
        else:
            rows[point.number] = row
    begun, interrupted, fresh = time.perf_counter(), False, 0
    try:
        if progress is not None:
            progress(len(rows), len(points), 0.0)
        for point, row in computed(missing, study.recording, workers, scheduler):
            if store is not None:
                store.write(point.text, study.recording, row)
            rows[point.number] = row
            fresh += 1
            if progress is not None:
                progress(len(rows), len(points), time.perf_counter() - begun)
    except KeyboardInterrupt:
        interrupted = True
    reached = tuple(point for point in points if point.number in rows)
    ordered = tuple(rows[point.number] for point in reached)
    damaged = () if store is None else tuple(store.damaged)
    return Sweep(study, ordered, reached, len(points), fresh, time.perf_counter() - begun, interrupted, damaged)
