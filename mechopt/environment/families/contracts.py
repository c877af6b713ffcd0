"""Families of long-term contracts: supply chains, sequential screening, and a buyer of two types.

Source: Kakade, Lobel and Nazerzadeh (2013), section 2.3; Courty and Li (2000); Battaglini (2005).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.environment.families.checks import discount_faults, distributions_by_agent, worth_faults
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import is_list, numbers
from mechopt.environment.separable import SeparableTypes

MAX_SHIPMENTS = 10_000
"""Largest number of actions of `supply_chain`."""


def supply_chain(
    margins: Any,
    probabilities: Any,
    demands: Any,
    demand_initial: Any,
    demand_kernel: Any,
    units: int,
    cost: Any = 0,
    horizon: Any = "infinite",
    discount: Any = 1,
) -> SeparableTypes:
    """Build the environment in which a manufacturer ships a perishable good to retailers with private demand.

    A retailer knows from the start what she earns a unit sold, the market price less her own cost, and sees her demand
    of each period when it begins. A shipment of x units is worth her margin times the smaller of x and her demand.

    Parameters
    ----------
    margins : sequence over retailers of sequences of numbers
        What a unit may earn, at least 0, increasing.
    probabilities : sequence over retailers of sequences of numbers
        Their distributions.
    demands : sequence over retailers of sequences of numbers
        Levels of demand, at least 0, increasing.
    demand_initial : sequence over retailers of sequences of numbers
        Distribution of the first demand.
    demand_kernel : sequence over retailers of nested sequences ``[demand][next]``
        Distribution of the next demand, whatever is shipped. May be None with a horizon of 1.
    units : int
        Largest number of units that can be shipped in a period, to all together; at least 1.
    cost : number, or sequence of ``units + 1`` numbers
        Of producing a unit, or 0, 1, ..., `units` of them; at least 0.
    horizon : int or "infinite"
        Number of periods.
    discount : number
        In (0, 1), or up to 1 with a finite horizon.

    Returns
    -------
    SeparableTypes
        Actions are shipments, named by the units that go to each retailer, such as "2+0".

    Raises
    ------
    InputError
        With every fault of the arguments.
    LimitError
        If there are too many shipments.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), section 2.3.

    Examples
    --------
    >>> env = supply_chain([[1, 2]], [["1/2", "1/2"]], [[0, 1, 3]], [["1/4", "1/2", "1/4"]], None, 2, "1/2", horizon=1)
    >>> env.actions, env.value_tables[0][2, 1], env.cost
    (('0', '1', '2'), array([0., 2., 4.]), array([0. , 0.5, 1. ]))
    """
    faults = discount_faults(discount, horizon)
    distributions_by_agent(margins, probabilities, 0, ("margins", "probabilities"), "retailer", faults)
    agents = len(margins) if is_list(margins) else 0
    levels = [grid for grid, _ in distributions_by_agent(demands, demand_initial, agents, _DEMAND, "retailer", faults)]
    if type(units) is not int or units < 1:
        faults.append(Fault("units", f"is {units!r}", "write a whole number, at least 1"))
    elif agents and (units + 1) ** min(agents, 20) > 100 * MAX_SHIPMENTS:
        raise LimitError(f"{units} units for {agents} retailers make too many shipments; use fewer")
    costs = _costs(cost, units, faults)
    if faults:
        raise InputError(faults)
    shipments = [s for s in product(range(units + 1), repeat=agents) if sum(s) <= units]
    if len(shipments) > MAX_SHIPMENTS:
        raise LimitError(f"{len(shipments):,} shipments are more than {MAX_SHIPMENTS:,}; use fewer units or retailers")
    return SeparableTypes(
        initial_values=margins,
        initial_probabilities=probabilities,
        base=[[[min(d, s[i]) for d in level] for s in shipments] for i, level in enumerate(levels)],
        signal_initial=demand_initial,
        signal_kernel=demand_kernel,
        signals=[[check.shown(d) for d in level] for level in levels],
        actions=["+".join(map(str, s)) for s in shipments],
        cost=[costs[sum(s)] for s in shipments],
        horizon=horizon,
        discount=discount,
    )


_DEMAND = ("demands", "demand_initial")


def _costs(cost: Any, units: Any, faults: list[Fault]) -> list[Fraction]:
    """Cost by number of units; empty after a fault."""
    listed = is_list(cost)
    exact = numbers(cost, int(listed), "cost", faults)
    if exact is None or type(units) is not int:
        return []
    if listed and len(exact) != units + 1:
        faults.append(Fault("cost", f"has {len(exact)} entries for up to {units} units", f"give {units + 1}"))
    return list(exact) if listed else [exact * x for x in range(units + 1)]


def sequential_screening(
    values: Any, distributions: Any, probabilities: Any, cost: Any = 0, types: Any = None
) -> SeparableTypes:
    """Build the environment in which a buyer knows at contracting how likely she will want an item, later how much.

    Parameters
    ----------
    values : sequence of numbers
        What the item may turn out to be worth.
    distributions : nested sequences, ``distributions[type][value]``
        Distribution of her value, by what she knows at contracting.
    probabilities : sequence over types
        Distribution of that.
    cost : number
        Of the item to the seller, at least 0.
    types : sequence of numbers, optional
        The types' grid, increasing; default: their numbers.

    Returns
    -------
    SeparableTypes
        One agent of general form, one allocation period, actions "keep" and "sell". Her signal is her value: correlated
        with her type, so that the theorem on the virtual pivot does not apply.

    Raises
    ------
    InputError
        With every fault of the arguments.

    References
    ----------
    Courty and Li (2000), "Sequential screening", Review of Economic Studies 67.

    Examples
    --------
    >>> env = sequential_screening([1, 2, 3], [[0, 1, 0], ["1/2", 0, "1/2"]], ["1/3", "2/3"], cost=1)
    >>> env, env.correlated
    (SeparableTypes(1 agent, 2 actions, 2 initial types, 3 signals, 1 period), True)
    """
    faults: list[Fault] = []
    worth, chances = numbers(values, 1, "values", faults), numbers(distributions, 2, "distributions", faults)
    shares = numbers(probabilities, 1, "probabilities", faults)
    if worth is not None and chances is not None:
        for k, row in enumerate(chances):
            faults += check.length_faults(len(worth), len(row), f"distributions[{k}]")
            faults += check.probabilities_faults(row, f"distributions[{k}]", check.is_float_like(distributions[k]))
    if shares is not None and chances is not None:
        if len(shares) != len(chances):
            what = f"has {len(shares)} entries for {len(chances)} distributions"
            faults.append(Fault("probabilities", what, "give one a type"))
        faults += check.probabilities_faults(shares, "probabilities", check.is_float_like(probabilities))
    if faults:
        raise InputError(faults)
    count = len(chances)
    return SeparableTypes(
        initial_values=[list(range(count)) if types is None else types],
        initial_probabilities=[probabilities],
        signal_initial=[distributions],
        form="general",
        general=[[[[0] * len(worth)] * count, [worth] * count]],
        signals=[_distinct([check.shown(value) for value in worth])],
        actions=["keep", "sell"],
        cost=[0, cost],
        horizon=1,
    )


def _distinct(names: list[str]) -> list[str] | None:
    """Names, or none where two are the same."""
    return names if len(set(names)) == len(names) else None


def battaglini(
    low: Any = 1,
    high: Any = 2,
    first_high: Any = "1/2",
    stay: Any = "3/4",
    horizon: Any = "infinite",
    discount: Any = 1,
    quantities: Any = (0, 1),
    cost: Any = 0,
) -> MarkovTypes:
    """Build the environment of a buyer whose valuation is low or high and moves between the two.

    Parameters
    ----------
    low, high : numbers
        What a unit is worth, at least 0; high above low.
    first_high : number
        Probability that her first valuation is high.
    stay : number, or pair of numbers
        Probability that a valuation stays what it is; of a low and of a high one.
    horizon : int or "infinite"
    discount : number
        In (0, 1), or up to 1 with a finite horizon.
    quantities : sequence of numbers
        What can be sold in a period, at least 0, increasing: the actions.
    cost : number, or sequence over quantities
        The seller's, at least 0; one number is of a unit.

    Returns
    -------
    MarkovTypes
        Types "low" and "high".

    Raises
    ------
    InputError
        With every fault of the arguments.

    References
    ----------
    Battaglini (2005), "Long-term contracting with Markovian consumers", American Economic Review 95; he has a continuum
    of quantities at a quadratic cost.

    Examples
    --------
    >>> env = battaglini(1, 2, "3/5", "3/4", horizon=3)
    >>> env, env.kernel[0][0][0]
    (MarkovTypes(1 agent, 2 actions, 2 types, 3 periods), array([[0.75, 0.25],
           [0.25, 0.75]]))
    """
    faults = discount_faults(discount, horizon)
    exact = {name: numbers(part, 0, name, faults) for name, part in (("low", low), ("high", high))}
    faults += worth_faults(exact["low"], "low", "a unit")
    if None not in exact.values() and exact["high"] <= exact["low"]:
        what = f"{check.shown(exact['high'])} is not above low, {check.shown(exact['low'])}"
        faults.append(Fault("high", what, "give the larger one"))
    chance = _probability(first_high, "first_high", faults)
    pair = stay if is_list(stay) else (stay, stay)
    if len(pair) != 2:
        faults.append(Fault("stay", f"has {len(pair)} entries", "give one probability, or two"))
    stays = [_probability(p, f"stay[{k}]" if is_list(stay) else "stay", faults) for k, p in enumerate(pair)]
    amounts = numbers(quantities, 1, "quantities", faults)
    faults += [] if amounts is None else check.values_faults(amounts, "quantities")
    costs = numbers(cost, int(is_list(cost)), "cost", faults)
    if amounts is not None and is_list(cost) and costs is not None and len(costs) != len(amounts):
        faults.append(Fault("cost", f"has {len(costs)} entries for {len(amounts)} quantities", "give one a quantity"))
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    rise, fall = 1 - stays[0], 1 - stays[1]
    return MarkovTypes(
        values=[[[exact["low"] * q, exact["high"] * q] for q in amounts]],
        kernel=[[[stays[0], rise], [fall, stays[1]]]],
        initial=[[1 - chance, chance]],
        actions=[check.shown(q) for q in amounts],
        types=[["low", "high"]],
        cost=costs if is_list(cost) else [costs * q for q in amounts],
        horizon=horizon,
        discount=discount,
    )


def _probability(given: Any, where: str, faults: list[Fault]) -> Fraction:
    """One probability; 0 after a fault."""
    chance = numbers(given, 0, where, faults)
    if chance is None:
        return Fraction(0)
    if not 0 <= chance <= 1:
        faults.append(Fault(where, f"is {check.shown(chance)}", "a probability lies between 0 and 1"))
    return Fraction(chance)
