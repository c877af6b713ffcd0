"""First best where types persist, in exact numbers of any ordered field: backward induction over type profiles.

The surplus of the efficient policy, values of the agents and of the seller net of costs, of environments with a finite
horizon whose agents all discount as the seller does. Public states rule actions out. Comparisons are those of the
actions at each profile, so that with functions of a parameter for numbers the result holds as far as the efficient
policy does.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from mechopt.closedform.static.functions import Number
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.states.environment import PublicStates

Profile = tuple[int, ...]


def persistent_first_best(environment: MarkovTypes | InterdependentTypes) -> Number:
    """Largest expected surplus, present value.

    Parameters
    ----------
    environment : MarkovTypes or InterdependentTypes
        With a finite horizon; what is read of it are ``exact``, whatever its numbers are, and its sizes.

    Examples
    --------
    >>> from mechopt.environment.families.contracts import battaglini
    >>> persistent_first_best(battaglini(horizon=2)) == Fraction(battaglini(horizon=2).first_best)
    True
    """
    exact: Any = environment.exact
    periods = len(environment.shape)
    worth: dict[Profile, Number] = {}
    for t in reversed(range(periods)):
        now: dict[Profile, Number] = {}
        costs = exact.cost[t] if isinstance(exact.cost[0], tuple) else exact.cost
        for profile in product(*map(range, environment.shape[t])):
            best: Number | None = None
            for a, cost in enumerate(costs):
                if _ruled_out(environment, t, a, profile):
                    continue
                number = _flow(environment, exact, t, a, profile) - cost
                if worth:
                    number = number + exact.discount * _ahead(environment, exact, t, a, profile, worth)
                best = number if best is None or number > best else best
            now[profile] = Fraction(0) if best is None else best
        worth = now
    total: Number = Fraction(0)
    for profile, number in worth.items():
        chance = _first(environment, exact, profile)
        total = total + chance * number if chance else total
    return total


def _ruled_out(environment: MarkovTypes | InterdependentTypes, t: int, a: int, profile: Profile) -> bool:
    """Whether the public state rules an action out; states that do not agree never occur."""
    if not isinstance(environment, PublicStates):
        return False
    return bool(environment.forbidden[t][a, environment.public[t][0][profile[0]]])


def _flow(environment: MarkovTypes | InterdependentTypes, exact: Any, t: int, a: int, profile: Profile) -> Number:
    """Values of the agents and of the seller."""
    total: Number = Fraction(0)
    for i, k in enumerate(profile):
        table = exact.values[i][t][a]
        total = total + (table[k] if isinstance(environment, MarkovTypes) else table[profile])
        if exact.seller_values is not None and isinstance(environment, MarkovTypes):
            total = total + exact.seller_values[i][t][a][k]
    if exact.seller_values is not None and not isinstance(environment, MarkovTypes):
        total = total + exact.seller_values[t][(a, *profile)]
    return total


def _ahead(
    environment: MarkovTypes | InterdependentTypes,
    exact: Any,
    t: int,
    a: int,
    profile: Profile,
    worth: dict[Profile, Number],
) -> Number:
    """Mean of what comes in the next period."""
    total: Number = Fraction(0)
    for after, number in worth.items():
        if isinstance(environment, MarkovTypes):
            moves = (exact.kernel[i][t][a][k][after[i]] for i, k in enumerate(profile))
            chance = prod(moves, start=Fraction(1))
        else:
            chance = exact.kernel[t][(a, *profile, *after)]
        total = total + chance * number if chance else total
    return total


def _first(environment: MarkovTypes | InterdependentTypes, exact: Any, profile: Profile) -> Number:
    """Probability of a profile of first types."""
    if isinstance(environment, MarkovTypes):
        return prod((exact.initial[i][k] for i, k in enumerate(profile)), start=Fraction(1))
    return exact.initial[profile]
