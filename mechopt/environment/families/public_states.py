"""Families with a public state: stock that is sold off, a buyer who arrives at a random date, demand that all see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import to_exact
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import is_list
from mechopt.environment.states.environment import PublicStates
from mechopt.environment.states.state import PublicState


def inventory(
    units: int,
    values: Any,
    initial: Any,
    kernel: Any,
    horizon: int,
    cost: Any = 0,
    discount: Any = 1,
    types: Any = None,
    names: Any = None,
) -> PublicStates:
    """Sell a stock of some units, at most one a period, to buyers whose types are persistent; what is left perishes.

    The state is how many units are left: everybody sees it, a sale takes one away, and at 0 nothing can be sold.

    Parameters
    ----------
    units : int
        At least 1.
    values : nested sequences, ``values[i][type]``
        What a unit is worth to buyer i in a period.
    initial : nested sequences, ``initial[i][type]``
    kernel : nested sequences, ``kernel[i][type][next]``
        Of her type, whatever is sold.
    horizon : int
        Number of periods.
    cost : number
        The seller's cost of a sale.
    discount : number
    types, names : as for `MarkovTypes`, optional

    Raises
    ------
    InputError
        With every fault.

    Examples
    --------
    Two periods, one unit, one buyer of value 1 or 2 who keeps her type: wait with nobody.

    >>> env = inventory(1, [[1, 2]], [["1/2", "1/2"]], [[[1, 0], [0, 1]]], horizon=2)
    >>> env.actions, env.types[0][0]
    (('keep', 'sell'), ('0 (left 1)', '1 (left 1)', '0 (left 0)', '1 (left 0)'))
    >>> env.first_best
    1.5
    """
    faults = []
    if isinstance(units, bool) or not isinstance(units, int) or units < 1:
        faults.append(Fault("units", f"is {units!r}", "write a whole number, at least 1"))
    faults += _by_agent_faults(values, "values")
    if faults:
        raise InputError(faults)
    base, sales = _buyers(values, initial, kernel, horizon, cost, discount, types, names)
    left = list(range(units, -1, -1))
    stay = [[int(a == b) for b in left] for a in left]
    sold = [[int(b == max(a - 1, 0)) for b in left] for a in left]
    state = PublicState(
        [str(k) for k in left],
        [1, *[0] * units],
        [stay, *[sold] * len(sales)],
        "left",
        {"0": sales},
    )
    return PublicStates(base, state)


def random_arrivals(
    arrival: Any,
    values: Any,
    initial: Any,
    kernel: Any,
    horizon: int,
    departure: Any = 0,
    cost: Any = 0,
    discount: Any = 1,
    types: Any = None,
) -> PublicStates:
    """Sell to one buyer who comes at a random date, which everybody sees.

    Parameters
    ----------
    arrival : number
        Probability, in each period, that a buyer who is not here comes; also before the first one.
    values, initial, kernel : sequences, ``values[type]``, ``initial[type]``, ``kernel[type][next]``
        What the item of a period is worth to her; her type moves whether she is here or not.
    horizon : int
    departure : number
        Probability that she leaves after a period; she may come again.
    cost, discount : numbers
    types : sequence of str, optional

    Examples
    --------
    >>> env = random_arrivals("1/4", [1, 2], ["1/2", "1/2"], [[1, 0], [0, 1]], horizon=2)
    >>> round(env.first_best, 6)  # 3/2 (1/4 + 7/16)
    1.03125
    """
    faults = list[Fault]()
    chances = {
        "arrival": check.exact_scalar(arrival, "arrival", faults),
        "departure": check.exact_scalar(departure, "departure", faults),
    }
    for key, chance in chances.items():
        if chance is not None and not 0 <= chance <= 1:
            faults.append(Fault(key, f"is {check.shown(chance)}", "it must be a probability"))
    if faults:
        raise InputError(faults)
    comes, goes = chances["arrival"] or Fraction(0), chances["departure"] or Fraction(0)
    base, sales = _buyers(
        [values], [initial], [kernel], horizon, cost, discount, None if types is None else [types], None
    )
    moves = [[1 - comes, comes], [goes, 1 - goes]]
    return PublicStates(base, PublicState(["absent", "here"], [1 - comes, comes], moves, "buyer", {"absent": sales}))


def demand_states(
    levels: Mapping[str, Any],
    demand_initial: Any,
    demand_kernel: Any,
    values: Any,
    initial: Any,
    kernel: Any,
    horizon: int,
    cost: Any = 0,
    discount: Any = 1,
    types: Any = None,
    names: Any = None,
) -> PublicStates:
    """Sell an item a period while demand moves: in each state of it all values are multiplied by its level.

    Parameters
    ----------
    levels : mapping
        From names of states of demand to what values are multiplied by there, at least 0.
    demand_initial, demand_kernel : sequences
        Distribution of the first state, and ``[state][next]``.
    values, initial, kernel, horizon, cost, discount, types, names
        As for `inventory`.

    Examples
    --------
    >>> env = demand_states({"low": 1, "high": 2}, [1, 0], [["1/2", "1/2"], [0, 1]], [[1, 3]], [["1/2", "1/2"]],
    ...                     [[[1, 0], [0, 1]]], horizon=2)
    >>> env.first_best  # 2 at first, then 2 or 4
    5.0
    """
    faults = _by_agent_faults(values, "values")
    if not isinstance(levels, Mapping) or not levels:
        faults.append(Fault("levels", "is not a table", 'write for example {"low": 1, "high": 2}'))
        raise InputError(faults)
    factors = {name: check.exact_scalar(level, f"levels.{name}", faults) for name, level in levels.items()}
    for name, factor in factors.items():
        if factor is not None and factor < 0:
            faults.append(Fault(f"levels.{name}", f"is {check.shown(factor)}", "it must be at least 0"))
    if faults:
        raise InputError(faults)
    base, sales = _buyers(values, initial, kernel, horizon, cost, discount, types, names)
    tables: list[Any] = []
    for i, own in enumerate(values):
        exact = [to_exact(v) for v in own]
        tables.append(
            [
                [[(factor or 0) * v * (a == i + 1) for v in exact] for a in range(len(sales) + 1)]
                for factor in factors.values()
            ]
        )
    return PublicStates(base, PublicState(list(factors), demand_initial, demand_kernel, "demand"), tables)


def _by_agent_faults(values: Any, at: str) -> list[Fault]:
    if is_list(values) and len(values) and all(map(is_list, values)):
        return []
    return [Fault(at, "is not a list over buyers of lists over types", "write [[1, 2]] for one buyer")]


def _buyers(
    values: Any,
    initial: Any,
    kernel: Any,
    horizon: int,
    cost: Any,
    discount: Any,
    types: Any,
    names: Any,
) -> tuple[MarkovTypes, list[str]]:
    """Buyers of one item a period, and the actions that sell it."""
    count = len(values)
    named: Sequence[str] = names if names is not None else [str(i) for i in range(count)]
    sales = ["sell"] if count == 1 else [f"sell to {name}" for name in named]
    tables = [
        [[0] * len(own), *(list(own) if j == i else [0] * len(own) for j in range(count))]
        for i, own in enumerate(values)
    ]
    base = MarkovTypes(
        tables,
        kernel,
        initial,
        ["keep", *sales],
        types,
        names,
        [0, *[cost] * count],
        horizon,
        discount,
    )
    return base, sales
