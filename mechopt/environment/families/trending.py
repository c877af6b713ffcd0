"""Values that rise or fall over time, by factors that the seller knows."""

from __future__ import annotations

from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.environment.reading import check
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.separable import SeparableStates, separable_by_period


def trending_values(
    types: Any,
    probabilities: Any,
    base: Any,
    signal_initial: Any,
    signal_kernel: Any,
    factors: Any,
    cost: Any = 0,
    discount: Any = 1,
    level: Any = None,
) -> SeparableTypes | SeparableStates:
    """Sell an item a period to one buyer whose values all rise or fall by a factor from period to period.

    Parameters
    ----------
    types, probabilities : sequences ``(type,)``
        The initial types and their distribution.
    base : sequence ``(signal,)``
        What an item is worth at a signal for a level of 1 and a factor of 1, at least 0.
    signal_initial, signal_kernel : sequences ``(signal,)`` and ``(signal, next)``
    factors : sequence over periods of numbers
        At least 0; the values of period t are multiplied by ``factors[t]``. As many as there are periods.
    cost : number
        Of an item, in every period.
    discount : number
    level : sequence ``(type,)``, optional

    Returns
    -------
    SeparableTypes or SeparableStates
        Multiplicative; the first where all factors are equal. Actions "keep" and "sell".

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), section 5.1: prices that do not change stay optimal; `lemmas.constant_prices`.

    Examples
    --------
    >>> trending_values([1, 2], ["1/2", "1/2"], [1, 2], ["1/2", "1/2"], [[1, 0], [0, 1]], [1, 2, 4])
    SeparableStates(SeparableTypes(1 agent, 2 actions, 2 initial types, 2 signals, 3 periods), by period)
    """
    faults = list[Fault]()
    by_period = check.exact_list(factors, "factors", faults) or []
    worth = check.exact_list(base, "base", faults) or []
    if not by_period and not faults:
        faults.append(Fault("factors", "is empty", "give one a period"))
    for name, row in (("factors", by_period), ("base", worth)):
        for k, number in enumerate(row):
            if number < 0:
                faults.append(Fault(f"{name}[{k}]", f"is {check.shown(number)}", "it must be at least 0"))
    if faults:
        raise InputError(faults)
    return separable_by_period(
        [
            SeparableTypes(
                [types],
                [probabilities],
                [[[0] * len(worth), [factor * number for number in worth]]],
                [signal_initial],
                [signal_kernel],
                level=None if level is None else [level],
                actions=["keep", "sell"],
                cost=[0, cost],
                horizon=len(by_period),
                discount=discount,
            )
            for factor in by_period
        ]
    )
