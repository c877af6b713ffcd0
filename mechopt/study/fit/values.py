"""Type distributions from observed values, or from bids that were truthful, as in a second-price auction.

The distribution of the values is cut into types (`estimate_types`) and compared with them; bootstrap intervals say what
the sample size allows (`estimate_bootstrap`). Sale prices, which are not values, are in `estimate_prices`; panels, in
which the same bidder comes back, in `estimate_panel`.

Nothing is left out unless an option says so, and what is left out is counted. Values far above the others are named in
the fit's notes, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes
from mechopt.study.fit.bootstrap import bootstrap
from mechopt.study.fit.read import Table, from_arrays, has_columns, read_csv
from mechopt.study.fit.result import Fit, recorded
from mechopt.study.fit.types import Types, cut_into_types, distance

if TYPE_CHECKING:
    import pandas as pd

FAR = 3  # interquartile ranges above the upper quartile: Tukey's outer fence
MOST_NAMED = 5


@recorded
def fit_values(
    data: str | Path | Sequence[float] | FloatArray | pd.DataFrame,
    value: str | None = None,
    *,
    types: int = 6,
    method: str = "quantiles",
    periods: int = 1,
    buyers: int = 1,
    cost: Any = 0,
    discount: Any = 1,
    drop_missing: bool = False,
    drop_below: float | None = None,
    drop_above: float | None = None,
    level: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
    encoding: str = "utf-8-sig",
    delimiter: str = ",",
    currency: str = "",
    workers: int = 1,
    scheduler: str | None = None,
) -> Fit:
    """Estimate the distribution of values from observed values, or from truthful bids.

    Parameters
    ----------
    data : path, pandas.DataFrame, or sequence of numbers
        A CSV file (or the name of one that `bundled_data` lists), a data frame, or the values themselves.
    value : str, optional
        The file's or frame's column of values, money, at least 0.
    types : int
        Number of types K, at most.
    method : str
        ``"quantiles"``: cells of about equal probability, each with its median; ``"clusters"``: the cells with the
        smallest squared error, each with its mean.
    periods, buyers, cost, discount
        Of the environment; see `IndependentTypes.iid`.
    drop_missing : bool
        Leave out rows with a missing cell.
    drop_below, drop_above : float, optional
        Leave out rows with a smaller, a larger value.
    level : float
        Of the bootstrap intervals.
    resamples, seed : int
        Number of bootstrap samples, and where they come from.
    encoding, delimiter : str
        Of the file.
    currency : str
        A sign that may stand at numbers, such as ``"$"``; with one, commas may part thousands.
    workers : int
        Local processes for the bootstrap; 1 computes in this one. The result is the same for every number.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of local processes.

    Raises
    ------
    InputError
        With every fault: line, column, value and fix.

    Examples
    --------
    >>> fit = fit_values([3, 1, 2, 2, 5, 4], types=3)
    >>> fit
    Fit(IndependentTypes(1 buyer, 1 period, 3 types, first best 2.83333), 6 rows, 0 dropped, Kolmogorov 0.167, ...)
    >>> fit.values, fit.environment.exact.probabilities[0][0]
    (array([2., 3., 4.]), (Fraction(1, 2), Fraction(1, 6), Fraction(1, 3)))
    """
    if has_columns(data):
        if value is None:
            raise InputError([Fault("value", "is missing", "name the column of values (--value)")])
        table = read_csv(data, [value], (), drop_missing, encoding, delimiter, currency)
    else:
        value = value or "value"
        table = from_arrays({value: data}, drop_missing)
    table = within(table, value, drop_below, drop_above)
    values = table.numbers[value]
    points, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    environment = partial(environment_of, periods=periods, buyers=buyers, cost=cost, discount=discount)

    found = cut_into_types(points, counts, types, method)
    cells = np.diff(np.searchsorted(np.sort(values), found.cuts, side="right"), prepend=0)
    return Fit(
        environment(found),
        f"values as observed, {cut_in_words(method)}",
        values.size,
        points,
        np.cumsum(counts) / values.size,
        found.cuts,
        distance(found, points, counts),
        bootstrap(
            cells.astype(np.float64),
            lambda weight: np.cumsum(weight) / weight.sum(),
            np.array([float(v) for v in found.values]),
            level,
            resamples,
            seed,
            workers,
            scheduler,
        ),
        table.dropped,
        (*far_above(table, value), *fewer(found, types)),
        table.name,
        table.digest,
        refit=partial(_refit, points, place, types, method, environment),
        units=values.size,
    )


def _refit(
    points: FloatArray,
    place: IntArray,
    types: int,
    method: str,
    environment: Callable[[Types], IndependentTypes],
    draws: FloatArray,
) -> IndependentTypes:
    """The environment of a sample with these draws of each row."""
    drawn = np.bincount(place, draws, minlength=points.size).astype(np.int64)
    return environment(cut_into_types(points[drawn > 0], drawn[drawn > 0], types, method))


def within(table: Table, column: str, below: float | None, above: float | None) -> Table:
    """Leave out what is to be left out; the rest must be money, of at least two rows."""
    values = table.numbers[column]
    if below is not None:
        table = table.keep(~(values < below), f"{column} below {below:g}")
    if above is not None:
        table = table.keep(~(table.numbers[column] > above), f"{column} above {above:g}")
    values = table.numbers[column]
    fix = "fix the data, or leave such rows out (--drop-below 0): they are then counted"
    table.require(~(values < 0), column, lambda row: f"is {values[row]:.12g}, below 0", fix)
    if values.size < 2:
        left = f" ({'; '.join(map(str, table.dropped))})" if table.dropped else ""
        rows = f"{values.size} row{'s' * (values.size != 1)}"
        raise InputError(f"{rows} to estimate from{left}; a distribution takes at least 2", table.name)
    return table


def far_above(table: Table, column: str) -> list[str]:
    """Name values far above the others; they are kept."""
    values = table.numbers[column]
    lower, upper = np.quantile(values, [0.25, 0.75])
    far = np.flatnonzero(values > upper + FAR * (upper - lower))
    if far.size == 0 or upper == lower:
        return []
    largest = far[np.argsort(-values[far], kind="stable")][:MOST_NAMED]
    shown = ", ".join(f"{values[row]:.12g} ({table.place(int(row))})" for row in largest)
    more = ", ..." if far.size > MOST_NAMED else ""
    return [
        f"{far.size} of {values.size} entries of {column} lie more than {FAR} interquartile ranges above the upper "
        f"quartile: {shown}{more}; they are kept (drop_above, --drop-above leaves out)"
    ]


def environment_of(types: Types, periods: int, buyers: int, cost: Any, discount: Any) -> IndependentTypes:
    """Every buyer draws one of these types in every period."""
    values: Sequence[Fraction] = types.values
    return IndependentTypes.iid(values, types.probabilities, periods, buyers, cost, discount)


def fewer(found: Types, asked: int) -> list[str]:
    """Say so where there are fewer types than asked for."""
    if len(found.values) == asked:
        return []
    count = len(found.values)
    return [f"{count} type{'s' if count > 1 else ''} instead of {asked}: equal values share a cell"]


def cut_in_words(method: str) -> str:
    """How the distribution was cut into types."""
    return "a type a cell of equal probability, its median" if method == "quantiles" else "types by optimal clustering"
