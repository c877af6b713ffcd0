"""Refuse an environment of another kind than a closed form is for, and say what is for that one."""

from __future__ import annotations

from typing import Any

from mechopt.core.errors import InputError, shortened
from mechopt.environment.markov import MarkovTypes

INSTEAD = {
    (
        "markov",
        "separable",
    ): "with a finite horizon take environment.to_markov(); see mo.virtual_pivot",
    ("markov", "interdependent"): "take mo.mechanisms.efficient_joint and mo.contingent_transfers",
    ("separable", "markov"): "take mo.optimum and mo.relaxed_optimum",
    ("separable", "interdependent"): "take mo.optimum and mo.relaxed_optimum",
    ("interdependent", "markov"): "write it as one, mo.InterdependentTypes.from_markov(environment)",
    ("interdependent", "separable"): (
        "write it as one where the horizon is finite, mo.InterdependentTypes.from_markov(environment.to_markov())"
    ),
}
"""What to do, by kind that is asked for and kind that is given."""


def require_kind(environment: object, kind: str, name: str, seller_values: str = "none", supply: str = "one") -> None:
    """Refuse what is not an environment of this kind, or has seller's payoffs that a theorem is not about.

    Parameters
    ----------
    environment : object
    kind : str
        As in model files.
    name : str
        Of the function that asks.
    seller_values : str
        What it takes of them: ``"none"``, ``"by action"`` (whatever the types), or ``"any"``.
    supply : str
        What there may be to sell in a period: ``"one"`` item, or ``"any"`` units and slots.

    Raises
    ------
    InputError

    Examples
    --------
    >>> from mechopt.environment.families.contracts import battaglini
    >>> require_kind(battaglini(horizon=2), "markov", "efficient")
    >>> require_kind(battaglini(horizon=2), "separable", "virtual_pivot")
    Traceback (most recent call last):
    mechopt.core.errors.InputError: virtual_pivot: is for kind 'separable', not 'markov'; take mo.optimum and \
mo.relaxed_optimum
    """
    given = getattr(environment, "kind", None)
    if given == kind:
        require_seller_values(environment, name, seller_values)
        if seller_values != "any":
            require_plain_terms(environment, name)
        if supply == "one" and getattr(environment, "slots", None) is not None:
            raise InputError(
                f"{name}: its theorem is for one item a period, not for several units or slots; take mo.optimum, "
                "mo.repeated_myerson or mo.repeated_second_price"
            )
        return
    if given is None:
        what, fix = f"not {shortened(repr(environment))}", "read a model file with mo.load"
    else:
        what, fix = f"not {given!r}", INSTEAD.get((kind, given), "take mo.optimum")
        if given == "public-states":
            what = "and public states are not in its theorem"
        if given == "scenarios":
            fix = "take mo.maximin, or one scenario by itself, scenarios.environment(name)"
    raise InputError(f"{name}: is for kind {kind!r}, {what}; {fix}")


def require_plain_terms(environment: Any, name: str) -> None:
    """Refuse outside options and discounts that differ, which a theorem is not about.

    Raises
    ------
    InputError
        With which.
    """
    if environment.outside is not None:
        raise InputError(f"{name}: outside: agents have nothing outside in its theorem; take mo.optimum")
    require_same_discount(environment, name)


def require_same_discount(environment: Any, name: str) -> None:
    """Refuse discounts that differ, which a theorem is not about.

    Raises
    ------
    InputError
        If they do.
    """
    if environment.discounts is not None:
        raise InputError(f"{name}: discounts: everybody discounts alike in its theorem; take mo.optimum")


def require_seller_values(environment: Any, name: str, taken: str) -> None:
    """Refuse seller's payoffs that a theorem is not about; see `require_kind`."""
    tables = environment.seller_values
    if tables is None or taken == "any":
        return
    if taken == "none":
        what, fix = "what actions are worth to the seller is not in its theorem", "take mo.optimum"
        raise InputError(f"{name}: seller_values: {what}; {fix}, or put what depends on no type into cost")
    agent = next((i for i, row in enumerate(tables) if any(bool((part != part[:, :1]).any()) for part in row)), None)
    if agent is not None:
        raise InputError(
            f"{name}: seller_values depend on the type of agent {environment.names[agent]!r}, who would be paid for "
            "reports that the seller likes; take mo.optimum"
        )


def with_gains_as_cost(environment: MarkovTypes) -> MarkovTypes:
    """The environment in which what the seller gains by the action alone is taken off its cost.

    Parameters
    ----------
    environment : MarkovTypes
        Whose ``seller_values`` depend on no type.
    """
    source: Any = environment.exact or environment
    if source.seller_values is None:
        return environment
    costs = []
    for t in range(environment.stages):
        by_period = source.cost if isinstance(environment.cost, tuple) else (source.cost,) * environment.stages
        gains = [sum(row[t][a][0] for row in source.seller_values) for a in range(environment.action_counts[t])]
        costs.append([fee - gain for fee, gain in zip(by_period[t], gains, strict=True)])
    cost = costs if isinstance(environment.horizon, int) else costs[0]
    parts = (source.values, source.kernel, source.initial, environment.actions, environment.types, environment.names)
    return MarkovTypes(*parts, cost, environment.horizon, source.discount)
