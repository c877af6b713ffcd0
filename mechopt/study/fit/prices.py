"""Type distributions from the sale prices of second-price and English auctions.

The order statistic is inverted (`estimate_order`), and the distribution of values that this gives is cut into types, as
in `estimate`. The number of bidders must be known: the same prices come from few bidders with high values and from many
with low ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.study.fit.bootstrap import bootstrap
from mechopt.study.fit.order import Sales, distribution_at_reserves, grouped, reserve_points, value_distribution
from mechopt.study.fit.read import Table, from_arrays, has_columns, read_csv
from mechopt.study.fit.result import Fit, recorded
from mechopt.study.fit.types import Types, cut_into_types, distance
from mechopt.study.fit.values import cut_in_words, environment_of, far_above, fewer, within

if TYPE_CHECKING:
    import pandas as pd

MOST_BIDDERS = 10_000
NOTED = 0.005  # share of the values below all prices from which on the fit says so
UNIDENTIFIED = (
    "the distribution of values follows from the distribution of sale prices only if it is known how many "
    "bidders there were: the same "
    "prices come from few bidders with high values and from many with low ones"
)

Column = str | Sequence[float] | FloatArray | None


@recorded
def fit_second_price(
    data: str | Path | Sequence[float] | FloatArray | pd.DataFrame,
    price: str | None = None,
    *,
    bidders: int | Column = None,
    less: str | None = None,
    reserve: float | Column = None,
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
    """Estimate the distribution of values from sale prices of second-price or English auctions.

    Bidders' values are taken to be independent draws from one continuous distribution, and each bids her value: the
    price is the second-highest value. Bid increments are not corrected for, nor are differences between the goods. Of
    values below the lowest price only the share is identified; they are put at that price.

    Parameters
    ----------
    data : path, pandas.DataFrame, or sequence of numbers
        A CSV file (or the name of one that `bundled_data` lists), a data frame, or the prices themselves;
        one auction a row.
    price : str, optional
        The file's column of sale prices, money.
    bidders : int, column or sequence
        How many bidders there were in each auction, at least 2; not the number of bids.
    less : str, optional
        A column to subtract from the price, such as shipping.
    reserve : number, column or sequence, optional
        Start price, at most the price. Auctions that ended without a sale are not in the data, and this is accounted
        for; an auction sold at its start price had one bidder above it.
    types, method, periods, buyers, cost, discount, drop_missing, drop_below, drop_above, level, resamples, seed, \
encoding, delimiter, currency, workers, scheduler
        As for `fit_values`. ``buyers`` are those of the environment: not the bidders of the data.

    Raises
    ------
    InputError
        With every fault: line, column, value and fix; and where values are not identified.

    References
    ----------
    S. Athey, P. A. Haile (2002), Identification of standard auction models, Econometrica 70, Theorem 1.

    Examples
    --------
    >>> fit = fit_second_price("ebay-mario-kart-2009", "total_price", less="shipping", bidders=5, drop_above=100)
    >>> fit.values
    array([28.98, 30.01, 33.86, 39.  , 46.  , 61.  ])
    >>> print(*fit.dropped)
    2 rows: total_price less shipping above 100 (lines 21, 66)
    """
    if bidders is None:
        raise InputError([Fault("bidders", "is missing", f"give a number or a column (--bidders): {UNIDENTIFIED}")])
    columns = {"bidders": bidders, "reserve": -np.inf if reserve is None else reserve}
    if has_columns(data):
        if price is None:
            raise InputError([Fault("price", "is missing", "name the column of sale prices (--price)")])
        named = [name for name in (price, less, bidders, reserve) if isinstance(name, str)]
        table = read_csv(data, named, (), drop_missing, encoding, delimiter, currency)
    else:
        price = price or "price"
        listed = {name: given for name, given in columns.items() if np.ndim(given) > 0}
        table = from_arrays({price: data, **listed}, drop_missing)
    table, n_column = _with_column(table, "bidders", bidders)
    table, r_column = _with_column(table, "reserve", columns["reserve"])
    table, price = _subtracted(table, price, less)
    table = within(table, price, drop_below, drop_above)
    sales = _sales(table, price, n_column, r_column)
    points = np.unique(sales.price)
    environment = partial(environment_of, periods=periods, buyers=buyers, cost=cost, discount=discount)

    distribution = value_distribution(sales, points)
    found = _cut(points, distribution, types, method)
    groups = grouped(sales, found.cuts)
    start = distribution_at_reserves(groups, reserve_points(groups)) if sales.with_reserves else None
    at_cuts = distribution[np.searchsorted(points, found.cuts)]
    shift = at_cuts - value_distribution(groups, found.cuts, start)  # of start prices put together; else 0
    mass = np.diff(distribution, prepend=0.0)
    return Fit(
        environment(found),
        f"values of {_bidders_in_words(sales)} bidders from second-highest bids, by the inverse of I_F(n-1, 2) "
        f"(Athey and Haile 2002){'; start prices are reserves, given a sale' * sales.with_reserves}; "
        f"{cut_in_words(method)}",
        sales.price.size,
        points,
        distribution,
        found.cuts,
        distance(found, points, mass),
        bootstrap(
            groups.weight,
            lambda weight: _shifted(value_distribution(replace(groups, weight=weight), found.cuts, start), shift),
            np.array([float(v) for v in found.values]),
            level,
            resamples,
            seed,
            workers,
            scheduler,
        ),
        table.dropped,
        (
            *far_above(table, price),
            *fewer(found, types),
            *_left_open(sales, points, distribution),
            *_other_buyers(sales, buyers),
        ),
        table.name,
        table.digest,
        refit=partial(_refit, sales, types, method, environment),
        units=sales.price.size,
    )


def _refit(
    sales: Sales, types: int, method: str, environment: Callable[[Types], IndependentTypes], draws: FloatArray
) -> IndependentTypes:
    """The environment of a sample with these draws of each row."""
    drawn = draws > 0
    again = Sales(sales.price[drawn], sales.bidders[drawn], sales.reserve[drawn], draws[drawn])
    points = np.unique(again.price)
    return environment(_cut(points, value_distribution(again, points), types, method))


def _shifted(distribution: FloatArray, shift: FloatArray) -> FloatArray:
    moved: FloatArray = np.maximum.accumulate(np.clip(distribution + shift, 0.0, 1.0))
    return moved


def _other_buyers(sales: Sales, buyers: int) -> list[str]:
    """Say why the model has other buyers than the auctions had bidders."""
    low, high = int(sales.bidders.min()), int(sales.bidders.max())
    if low == high == buyers:
        return []
    had = f"{low}" if low == high else f"{low} to {high}"
    return [
        f"the model has {buyers} buyer{'s' * (buyers != 1)}, the auctions had {had} bidders: how many there were says "
        "how values follow from prices, and the values are those of any one of them; for a model of such an auction "
        f"write buyers={high} (--buyers {high})"
    ]


def _with_column(table: Table, name: str, given: Any) -> tuple[Table, str]:
    """A number, a column's name or a sequence as a column of the table, and its name there."""
    if isinstance(given, str):
        if given not in table.numbers:
            raise InputError([Fault(name, f"is {given!r}", "only a file has columns; give a number, or one a row")])
        return table, given
    if np.ndim(given) > 0:
        if table.name:
            raise InputError([Fault(name, "is a list, the prices are in a file", "name a column of the file")])
        return table, name
    column = np.full(table.lines.size, float(given))
    return replace(table, numbers={**table.numbers, f" {name}": column}), f" {name}"


def _subtracted(table: Table, price: str, less: str | None) -> tuple[Table, str]:
    """The price less another column; rounded where floats no longer carry decimals of the data."""
    if less is None:
        return table, price
    if less not in table.numbers:
        raise InputError([Fault("less", f"is {less!r}", "only a file has columns; subtract it yourself")])
    gross, name = table.numbers[price], f"{price} less {less}"
    decimals = 14 - int(np.ceil(np.log10(max(1.0, float(np.abs(gross).max())))))
    return replace(table, numbers={**table.numbers, name: np.round(gross - table.numbers[less], decimals)}), name


def _sales(table: Table, price: str, bidders: str, reserve: str) -> Sales:
    """The auctions, once all numbers are such as the model allows."""
    prices, n, r = (table.numbers[column] for column in (price, bidders, reserve))
    if bidders.startswith(" ") and np.ptp(n) == 0 and not _counts(n[:1]).all():
        raise InputError([_too_few(n[0], "bidders")])
    table.require(_counts(n), bidders.strip(), lambda row: _too_few(n[row], "").what, _too_few(2, "").fix)
    fix = "a start price is at least 0 and at most the sale price (less what is subtracted from it)"
    good = (r <= prices) & ((r >= 0) | np.isneginf(r))
    table.require(good, reserve.strip(), lambda row: f"is {r[row]:.12g}, the price {prices[row]:.12g}", fix)
    return Sales(prices, n.astype(np.int64), r, np.ones(prices.size))


def _counts(n: FloatArray) -> Any:
    return (n >= 2) & (n <= MOST_BIDDERS) & (n == np.floor(n))


def _too_few(n: float, where: str) -> Fault:
    one = "; with one bidder the price is the start price, which tells nothing of her value" if n == 1 else ""
    fix = f"write a whole number of bidders from 2 to {MOST_BIDDERS} (leave such auctions out of the file)"
    return Fault(where, f"is {n:.12g}{one}", fix)


def _left_open(sales: Sales, points: FloatArray, distribution: FloatArray) -> list[str]:
    """Notes on what the lowest prices and the start prices leave open."""
    notes, lowest = [], float(points[0])
    if sales.with_reserves:
        at_start = int((sales.price == sales.reserve).sum())
        notes.append(f"{at_start} of {sales.price.size} auctions were sold at their start price")
    if distribution[0] >= NOTED and lowest > 0:
        notes.append(
            f"of the values up to the lowest price {lowest:g} only their share {distribution[0]:.3g} is estimated, not "
            f"where they lie; they are put at {lowest:g}, which is an upper bound"
        )
    return notes


def _bidders_in_words(sales: Sales) -> str:
    few, many = int(sales.bidders.min()), int(sales.bidders.max())
    return str(few) if few == many else f"{few} to {many}"


def _cut(points: FloatArray, distribution: FloatArray, types: int, method: str) -> Types:
    return cut_into_types(points, np.diff(distribution, prepend=0.0), types, method)
