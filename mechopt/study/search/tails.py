"""Finite tails in place of absorbing periods."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from numbers import Integral
from typing import Any

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import to_exact
from mechopt.environment.scenarios import Scenarios


def with_finite_tails(scenarios: Scenarios, types: int, epsilon: Any = "1/10", ratio: Any = 2) -> Scenarios:
    """The same scenarios with finite equal-revenue distributions in place of absorbing periods.

    From a buyer's utility such a period can take at most its mean less what it earns, ``epsilon * (types - 1) *
    (1 - 1/ratio)``: its guarantee comes to that of the absorbing one, from above, as types grow and epsilon vanishes.

    Parameters
    ----------
    scenarios : Scenarios
        With ``absorbing`` names.
    types : int
        Of such a period, at least 1: values ``epsilon * ratio**k``, each of which as a price earns ``epsilon``.
    epsilon, ratio : numbers
        Above 0 and above 1.

    Examples
    --------
    >>> coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> rest = {"name": "rest", "values": [0], "probabilities": [1]}
    >>> pair = Scenarios([coin, rest], [["a"], ["a", "rest"]], absorbing=["rest"])
    >>> with_finite_tails(pair, 3).distributions["rest"].exact[0]
    (Fraction(1, 10), Fraction(1, 5), Fraction(2, 5))
    """
    require_type(scenarios, "Scenarios", "with_finite_tails", "give mo.Scenarios(...)")
    require_type(types, Integral, "with_finite_tails", "give a whole number")
    least, step = to_exact(epsilon), to_exact(ratio)
    if types < 1 or least <= 0 or step <= 1:
        raise InputError([Fault("types", f"is {types}", "give at least 1, epsilon above 0 and ratio above 1")])
    tails = [Fraction(1) / step**k for k in range(types)]
    distribution = [here - after for here, after in zip(tails, [*tails[1:], Fraction(0)], strict=True)]
    changed: Any = {
        name: ([least * step**k for k in range(types)], distribution) if name in scenarios.absorbing else one.given
        for name, one in scenarios.distributions.items()
    }
    return replace(scenarios, distributions=changed, absorbing=())
