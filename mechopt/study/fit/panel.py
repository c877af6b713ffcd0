r"""From a panel, in which the same bidders come back, to a Markov chain of types.

All values together are cut into K types (`estimate_types`). Where a bidder is seen in two consecutive periods, with
types k and l, that is one transition; a gap in her periods tells nothing of the kernel and is counted in the notes.
With c(k, l) transitions and the smoothing s,

.. math:: \text{kernel}(k, l) = \frac{c(k, l) + s}{\sum_m c(k, m) + K s}

and the distribution of the first type likewise, from each bidder's first observation. s = 1/2 is the mean under
Jeffreys' prior (Krichevsky and Trofimov 1981): no transition is impossible because it was not seen. s = 0 gives plain
shares.

The kernel is the same for every action: data in which nothing was withheld cannot tell how an action would move
types. Bootstrap samples are drawn from the *bidders*, since the observations of one are not independent.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray, to_exact
from mechopt.environment.markov import MarkovTypes
from mechopt.study.fit.bootstrap import Interval, check_options, estimates, percentiles
from mechopt.study.fit.read import Table, from_arrays, has_columns, read_csv
from mechopt.study.fit.result import Fit, recorded
from mechopt.study.fit.types import Types, cut_into_types, distance
from mechopt.study.fit.values import far_above, within

if TYPE_CHECKING:
    import pandas as pd

MOST_KERNEL = 200
"""Types of a panel: a kernel has their square of entries."""


@dataclass(frozen=True)
class Pairs:
    """The panel in order: by bidder, then period.

    Attributes
    ----------
    value, bidder : arrays ``(rows,)``
        The bidder as a number from 0.
    first : int array ``(bidders,)``
        Row of each bidder's first observation.
    now : int array ``(pairs,)``
        Row of the first of two observations in consecutive periods; the next row is the second.
    gaps : int
        Neighbouring observations of a bidder that lie further apart.
    """

    value: FloatArray
    bidder: IntArray
    first: IntArray
    now: IntArray
    gaps: int


@recorded
def fit_panel(
    data: str | Path | Sequence[float] | FloatArray | pd.DataFrame,
    value: str | None = None,
    *,
    bidder: str | Sequence[Any] | None = None,
    period: str | Sequence[int] | None = None,
    types: int = 3,
    method: str = "quantiles",
    smoothing: Any = "1/2",
    periods: Any = "infinite",
    buyers: int = 1,
    cost: Any = 0,
    discount: Any = "9/10",
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
    """Estimate a Markov chain of types from the values of bidders who are seen again and again.

    Parameters
    ----------
    data : path, pandas.DataFrame, or sequence of numbers
        A CSV file (or the name of one that `bundled_data` lists), a data frame, or the values; one
        observation a row, in any order.
    value : str, optional
        The file's column of values, money, at least 0.
    bidder, period : column or sequence
        Who, and when: whole numbers, one apart for consecutive periods.
    types, method : see `fit_values`
    smoothing : number
        What is added to each count, at least 0.
    periods : int or "infinite"
        Horizon of the environment.
    buyers : int
        Agents of the environment, all with this chain; each action but "none" sells to one of them.
    cost : number
        The seller's cost of a sale.
    discount : number
        Below 1 with an infinite horizon.
    drop_missing, drop_below, drop_above, level, resamples, seed, encoding, delimiter, currency, workers, \
scheduler
        As for `fit_values`. A row that is left out leaves a gap.

    Raises
    ------
    InputError
        With every fault: line, column, value and fix; where a bidder has two values in a period; and where a type has
        no transition and nothing is added.

    Examples
    --------
    Two bidders, whose values are 1 or 3:

    >>> fit = fit_panel([1, 1, 3, 3, 3, 1], bidder=["a", "a", "a", "b", "b", "b"], period=[0, 1, 2, 0, 1, 2], types=2)
    >>> fit.transitions
    array([[1, 1],
           [1, 1]])
    >>> fit.environment
    MarkovTypes(1 agent, 2 actions, 2 types, infinite horizon)
    """
    for name, given in (("bidder", bidder), ("period", period)):
        if given is None:
            raise InputError([Fault(name, "is missing", f"a panel says who and when: name its column (--{name})")])
    if faults := check_options(level, resamples, seed):
        raise InputError(faults)
    added = _smoothing(smoothing)
    if has_columns(data):
        if value is None:
            raise InputError([Fault("value", "is missing", "name the column of values (--value)")])
        if not isinstance(bidder, str) or not isinstance(period, str):
            raise InputError([Fault("bidder, period", "are no names", "name columns of the file")])
        table = read_csv(data, [value, period], [bidder], drop_missing, encoding, delimiter, currency)
    else:
        value = value or "value"
        table = from_arrays({value: data, "period": period}, drop_missing)
        table, bidder, period = _with_bidder(table, bidder, np.asarray(data).shape[0]), "bidder", "period"
    if types > MOST_KERNEL:
        raise InputError([Fault("types", f"is {types}", f"at most {MOST_KERNEL} in a panel")])
    table = within(table, value, drop_below, drop_above)
    pairs = _pairs(table, value, str(bidder), str(period))
    bidders = pairs.first.size

    environment = partial(_environment, added=added, periods=periods, buyers=buyers, cost=cost, discount=discount)
    found, label, (points, mass) = _labelled(pairs, np.ones(pairs.value.size), types, method)
    size = len(found.values)
    initial, counts = _counts(pairs, label, size, np.ones(bidders))
    shared = "1 pair of observations is" if pairs.gaps == 1 else f"{pairs.gaps} pairs of observations are"
    gaps = [f"{shared} more than one period apart, and not used for the kernel"] if pairs.gaps else []
    return Fit(
        environment(found, initial, counts),
        f"Markov chain of {bidders} bidders and {pairs.now.size} transitions, {added} added to each count; all values "
        f"together cut into types by {method}",
        pairs.value.size,
        points,
        np.cumsum(mass) / mass.sum(),
        found.cuts,
        distance(found, points, mass),
        _interval(pairs, label, found, added, level, resamples, seed, workers, scheduler),
        table.dropped,
        (*far_above(table, value), *gaps),
        table.name,
        table.digest,
        transitions=counts.astype(np.int64),
        refit=partial(_refit, pairs, types, method, environment),
        units=bidders,
    )


def _refit(
    pairs: Pairs,
    types: int,
    method: str,
    environment: Callable[[Types, FloatArray, FloatArray], MarkovTypes],
    draws: FloatArray,
) -> MarkovTypes:
    """The environment of a sample with these draws of each bidder."""
    found, label, _ = _labelled(pairs, draws[pairs.bidder], types, method)
    return environment(found, *_counts(pairs, label, len(found.values), draws))


def _smoothing(given: Any) -> Fraction:
    try:
        added = to_exact(given)
    except ValueError as error:
        raise InputError([Fault("smoothing", str(error), "write a number such as 1/2")]) from None
    if added < 0:
        raise InputError([Fault("smoothing", f"is {added}", "it must be at least 0")])
    return added


def _with_bidder(table: Table, bidder: Any, rows: int) -> Table:
    if isinstance(bidder, str) or len(bidder) != rows:
        raise InputError([Fault("bidder", "is not a list with one entry a row", "give who each value is of")])
    names = np.array([str(name) for name in bidder], dtype=object)
    return replace(table, texts={"bidder": names[table.lines]})


def _pairs(table: Table, value: str, bidder: str, period: str) -> Pairs:
    """Sort by bidder and period; each bidder has one value a period."""
    when = table.numbers[period]
    fix = "number the periods 0, 1, 2, ..."
    whole = (when == np.floor(when)) & (np.abs(when) < 2**53)
    table.require(whole, period, lambda row: f"is {when[row]:.12g}, not a whole number", fix)
    _, who = np.unique(table.texts[bidder].astype(str), return_inverse=True)
    order = np.lexsort((when, who))
    who_sorted, when_sorted = who[order], when[order]
    same = who_sorted[1:] == who_sorted[:-1]
    step = np.diff(when_sorted)
    single = np.ones(who.size, dtype=bool)
    single[order[1:][same & (step == 0)]] = False
    table.require(
        single,
        period,
        lambda row: f"bidder {table.texts[bidder][row]!r} has another value in period {when[row]:.12g}",
        "keep one value a bidder and period",
    )
    first = np.flatnonzero(np.concatenate([[True], ~same]))
    now = np.flatnonzero(same & (step == 1))
    faults = []
    if first.size < 2:
        fix = "a panel takes at least 2: the interval comes from how bidders differ"
        faults.append(Fault(bidder, f"names {first.size} bidder", fix))
    if now.size == 0:
        faults.append(Fault(period, "no bidder is seen in two consecutive periods", fix="number them 0, 1, 2, ..."))
    if faults:
        raise InputError(faults, table.name)
    return Pairs(table.numbers[value][order], who_sorted, first, now, int((same & (step > 1)).sum()))


def _labelled(
    pairs: Pairs, weight: FloatArray, types: int, method: str
) -> tuple[Types, IntArray, tuple[FloatArray, IntArray]]:
    """The types, the type of each row, and the distribution that they stand for."""
    points, place = np.unique(pairs.value, return_inverse=True)
    mass = np.bincount(place, weight, minlength=points.size).astype(np.int64)
    seen = mass > 0
    found = cut_into_types(points[seen], mass[seen], types, method)
    label = np.minimum(np.searchsorted(found.cuts, pairs.value), len(found.values) - 1)
    return found, label, (points[seen], mass[seen])


def _counts(pairs: Pairs, label: IntArray, size: int, draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How often each first type, and each transition; a bidder counts as often as she is drawn."""
    initial = np.bincount(label[pairs.first], draws, minlength=size).astype(np.float64)
    cell = label[pairs.now] * size + label[pairs.now + 1]
    counts = np.bincount(cell, draws[pairs.bidder[pairs.now]], minlength=size * size)
    return initial, counts.reshape(size, size).astype(np.float64)


def _interval(
    pairs: Pairs,
    label: IntArray,
    found: Types,
    added: Fraction,
    level: float,
    resamples: int,
    seed: int,
    workers: int,
    scheduler: str | None,
) -> Interval:
    """Percentiles over samples of bidders, the types being kept."""
    size, bidders = len(found.values), pairs.first.size
    cells = np.concatenate([label[pairs.first], size + label[pairs.now] * size + label[pairs.now + 1]])
    who = np.concatenate([pairs.bidder[pairs.first], pairs.bidder[pairs.now]])
    by_cell = csr_array((np.ones(cells.size), (cells, who)), shape=(size + size * size, bidders))
    rng = np.random.default_rng(seed)
    draws = (rng.multinomial(bidders, np.full(bidders, 1 / bidders)).astype(np.float64) for _ in range(resamples))
    drawn = np.array(estimates(partial(operator.matmul, by_cell), draws, workers, scheduler))
    initial = _shares(drawn[:, :size], float(added))
    kernel = _shares(drawn[:, size:].reshape(resamples, size, size), float(added))
    values = np.array([float(v) for v in found.values])
    parts = (percentiles(part, level) for part in (initial, np.cumsum(initial, axis=1), initial @ values))
    probabilities, cumulative, mean = parts
    return Interval(level, probabilities, cumulative, mean, resamples, seed, percentiles(kernel, level))


def _shares(counts: FloatArray, added: float) -> FloatArray:
    """Smoothed shares over the last axis; equal ones where a sample has no transition and nothing is added."""
    size = counts.shape[-1]
    total = counts.sum(axis=-1, keepdims=True) + size * added
    shares: FloatArray = np.divide(counts + added, total, out=np.full(counts.shape, 1 / size), where=total > 0)
    return shares


def _exact(counts: FloatArray, added: Fraction) -> list[Fraction]:
    total = round(counts.sum()) + added * counts.size
    return [(round(count) + added) / total for count in counts]


def _environment(
    found: Types,
    initial: FloatArray,
    counts: FloatArray,
    added: Fraction,
    periods: Any,
    buyers: int,
    cost: Any,
    discount: Any,
) -> MarkovTypes:
    size = len(found.values)
    if added == 0 and (empty := np.flatnonzero(counts.sum(axis=1) == 0)).size:
        fix = "use fewer types, or add something to each count (--smoothing 1/2)"
        raise InputError([Fault("smoothing", f"is 0, and no transition leads from type {empty[0]}", fix)])
    if isinstance(buyers, bool) or buyers < 1:
        raise InputError([Fault("buyers", f"is {buyers}", "there must be at least one buyer")])
    nothing = [Fraction(0)] * size
    values = [
        [nothing] + [list(found.values) if sold == own else nothing for sold in range(buyers)] for own in range(buyers)
    ]
    kernel = [_exact(row, added) for row in counts]
    return MarkovTypes(
        values,
        [kernel] * buyers,
        [_exact(initial, added)] * buyers,
        actions=["none", "sell"] if buyers == 1 else ["none", *(f"sell to {i}" for i in range(buyers))],
        cost=[0, *[cost] * buyers],
        horizon=periods,
        discount=discount,
    )
