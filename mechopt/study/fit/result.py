"""An estimate from data: an environment, and all that is to be known about how good it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError, shortened
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.study.fit.bootstrap import Interval, draw_rows, estimates
from mechopt.study.fit.model_text import model_text
from mechopt.study.fit.read import Dropped
from mechopt.study.fit.types import Distance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")


@dataclass(frozen=True, eq=False)
class Fit(Shown):
    """An environment estimated from data.

    Attributes
    ----------
    environment : IndependentTypes, or MarkovTypes for a panel
        With exact numbers.
    estimator : str
        How, in words.
    rows : int
        Rows that were used.
    points, cumulative : float arrays ``(points,)``
        The estimated distribution of a value before it was cut into types: P(value <= point).
    cuts : float array ``(types,)``
        Largest value of each type's cell.
    distance : Distance
        Of the types to that distribution: ``kolmogorov``, ``wasserstein``.
    interval : Interval
        Bootstrap intervals.
    dropped : tuple of Dropped
        Rows that were left out, and why; nothing is left out unasked.
    notes : tuple of str
        What else a reader of the result should know.
    source, digest : str
        The file and the SHA-256 of its content; empty for arrays.
    call : str
        The call that makes this fit.
    transitions : int array ``(type, next)``, or None
        Counted in a panel.
    """

    environment: IndependentTypes | MarkovTypes
    estimator: str
    rows: int
    points: FloatArray
    cumulative: FloatArray
    cuts: FloatArray
    distance: Distance
    interval: Interval
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    digest: str = ""
    call: str = ""
    transitions: IntArray | None = None
    refit: Callable[[FloatArray], IndependentTypes | MarkovTypes] | None = field(default=None, repr=False)
    units: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        for name in ("points", "cumulative", "cuts", "transitions"):
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, readonly(array, array.dtype))

    @property
    def values(self) -> FloatArray:
        """Values of the types; axis: type."""
        found = self.environment.values[0][0]
        return found.max(axis=0) if found.ndim == 2 else found  # actions that give her nothing are worth 0

    @property
    def probabilities(self) -> FloatArray:
        """Probabilities of the types, in a panel of the first one; axis: type."""
        if isinstance(self.environment, MarkovTypes):
            return self.environment.initial[0]
        return self.environment.probabilities[0][0]

    def distribution(self, value: Any) -> FloatArray:
        """Estimated P(value of a bidder <= value), before the cut into types.

        Parameters
        ----------
        value : float or float array
        """
        steps = np.concatenate([[0.0], self.cumulative])
        found: FloatArray = steps[np.searchsorted(self.points, value, side="right")]
        return found

    def resampled(
        self, count: int, seed: int = 0, workers: int = 1, scheduler: str | None = None
    ) -> list[IndependentTypes | MarkovTypes]:
        """Environments estimated from samples that are drawn anew from the rows (of a panel: from its bidders).

        Each is cut into types of its own, so that whatever is computed from them shows what the sample size allows.

        Parameters
        ----------
        count : int
        seed : int
        workers : int
            Local processes; 1 computes in this one. The result is the same for every number.
        scheduler : str, optional
            Address of a Dask scheduler, whose workers take the place of local processes.
        """
        if self.refit is None:
            raise InputError("this fit does not hold the data that it was made of")
        if count < 1:
            raise InputError(f"count is {count}; it must be at least 1")
        rng = np.random.default_rng(seed)
        return estimates(self.refit, (draw_rows(self.units, rng) for _ in range(count)), workers, scheduler)

    def summary(self) -> list[tuple[str, str]]:
        """Label and text by line: what was estimated, how, and how well."""
        low, high = (np.char.mod("%.4g", self.interval.probabilities[:, side]) for side in (0, 1))
        rows = [
            ("model", repr(self.environment)),
            ("estimated", self.estimator),
            ("rows", f"{self.rows:,} used"),
            *(("dropped", str(entry)) for entry in self.dropped),
            ("values", ", ".join(f"{value:.6g}" for value in self.values)),
            ("probabilities", ", ".join(f"{probability:.4g}" for probability in self.probabilities)),
            (
                f"{100 * self.interval.level:g}% interval",
                ", ".join(f"{a} to {b}" for a, b in zip(low, high, strict=True))
                + f" ({self.interval.resamples} resamples, seed {self.interval.seed}, cells fixed)",
            ),
            ("mean", "{:.6g} (from {:.6g} to {:.6g})".format(self.mean, *self.interval.mean)),
            ("distance", f"Kolmogorov {self.distance.kolmogorov:.4g}, Wasserstein {self.distance.wasserstein:.4g}"),
            *(("note", note) for note in self.notes),
        ]
        if not self.dropped:
            rows.insert(3, ("dropped", "nothing"))
        return rows

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the estimated distribution, the types and their intervals; see `figures_fit.fitted_distribution`.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            Where to draw; default a figure of its own (``axes.figure``).
        """
        drawn: Axes = provided(self, "plot")(self, axes)
        return drawn

    @property
    def mean(self) -> float:
        """Mean of the types' values."""
        return float(self.values @ self.probabilities)

    def to_toml(self, title: str = "", source: str = "", command: str = "") -> str:
        """Text of a model file, with how it was made in its header.

        Parameters
        ----------
        title : str
            Default: what was estimated from what.
        source : str
            Where the data come from and under which licence; default the file's name.
        command : str
            What to say in the header that made it; default the call.
        """
        from mechopt import __version__

        made = f"mechopt {__version__}: {command or self.call}"
        data = f"{self.source or 'numbers given from Python'}{f' (SHA-256 {self.digest})' if self.digest else ''}"
        header = [f"Made by {made}", f"Data: {data}", *(f"{label}: {text}" for label, text in self.summary())]
        name = Path(self.source).name or "data"
        origin = f"{source or name}; {self.estimator}"
        return model_text(self.environment, title or f"Estimated from {name}", origin, header)

    def save(self, path: str | Path, title: str = "", source: str = "", command: str = "") -> None:
        """Write the model file, whole or not at all; see `to_toml`."""
        require_target(path)
        content = self.to_toml(title, source, command).encode()
        write_atomically(path, lambda file: _write(file, content))

    def __repr__(self) -> str:
        near = f"Kolmogorov {self.distance.kolmogorov:.3g}, Wasserstein {self.distance.wasserstein:.3g}"
        left = sum(entry.rows for entry in self.dropped)
        return f"Fit({self.environment!r}, {self.rows} rows, {left} dropped, {near})"


NO_MATTER = ("workers", "scheduler")
"""Arguments that change nothing in a fit."""


def recorded(function: Callable[P, Fit]) -> Callable[P, Fit]:
    """Let a fit say which call made it: the arguments that differ from their defaults."""
    known = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Fit:
        fit = function(*args, **kwargs)
        given = known.bind(*args, **kwargs).arguments
        changed = {
            name: value
            for name, value in given.items()
            if name not in NO_MATTER
            and (not _plain(value) or value != known.parameters[name].default or name == "data")
        }
        words = ", ".join(f"{name}={_shown(value)}" for name, value in changed.items())
        return replace(fit, call=f"mo.{function.__name__}({words})")

    return call


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, Path))


def _shown(value: Any) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    return shortened(repr(value), 300) if _plain(value) or not hasattr(value, "__len__") else f"<{len(value)} entries>"


def _write(file: Any, content: bytes) -> None:
    file.write(content)
