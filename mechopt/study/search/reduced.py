r"""The best guarantee where some futures end with a period that absorbs everything.

An equal-revenue distribution with a range of no end, whose revenue :math:`\epsilon` vanishes, lets a seller take out
the whole utility that a buyer was promised: with a promise w the last period is worth w. A scenario that ends so is
worth the surplus of its earlier periods, whatever utilities are there, and its optimum is their first best (the device
of Theorem 5.1; Mirrokni, Paes Leme, Tang and Zuo 2020, supplement C.2). It asks nothing of incentives that the earlier
periods do not ask for already: lifetime utilities of the scenario that stops before it serve in it too. So the limit of
programs with ever more types is a program over the finite part alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import to_exact
from mechopt.environment.scenarios import Scenarios
from mechopt.lp.scenarios.plan import ScenarioPlan
from mechopt.lp.scenarios.program import compile_scenarios
from mechopt.solve import highs
from mechopt.solve.optimum import optimum


def reduced_guarantee(scenarios: Scenarios, absorbing: str | Iterable[str] = ()) -> float:
    """Best guarantee under DIC and EPIR where some distributions stand for an absorbing last period.

    Parameters
    ----------
    scenarios : Scenarios
    absorbing : str or several
        Names of distributions that stand for absorbing periods: only ever last, and of a sure value 0 in the file.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If such a distribution is not known, not of a sure 0 or not last, or nothing can be earned in a scenario.

    Examples
    --------
    Theorem 5.1's pair in its limit: values 1 and 4 equally likely, then the end or everything. Prices of 4 with
    probability q and 1 else earn 1 + q of 2, and sell 5/2 - q/2 of 5/2: equal shares at q = 5/7.

    >>> coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> rest = {"name": "rest", "values": [0], "probabilities": [1]}
    >>> pair = Scenarios([coin, rest], [["a"], ["a", "rest"]])
    >>> round(reduced_guarantee(pair, "rest"), 9) == round(6 / 7, 9)
    True
    """
    places = _absorbing(scenarios, absorbing)
    plan = ScenarioPlan(scenarios, absorbing=places)
    if len(plan.limiting) < len(scenarios):
        raise InputError("nothing can be earned in one of the scenarios, so nothing is a share of it; leave it out")
    optima = [
        env.first_best if s in places else optimum(env).require_optimal().value
        for s, env in enumerate(scenarios.environments)
    ]
    program, _ = compile_scenarios(plan, optima)
    return highs.solve_program(program).value


def with_finite_tails(
    scenarios: Scenarios, absorbing: str | Iterable[str], types: int, epsilon: Any = "1/10", ratio: Any = 2
) -> Scenarios:
    """The same scenarios with finite equal-revenue distributions in place of absorbing periods.

    Parameters
    ----------
    scenarios, absorbing
        As for `reduced_guarantee`.
    types : int
        Of such a period, at least 1: values ``epsilon * ratio**k``, each of which as a price earns ``epsilon``.
    epsilon, ratio : numbers
        Above 0 and above 1.

    Examples
    --------
    >>> coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> rest = {"name": "rest", "values": [0], "probabilities": [1]}
    >>> with_finite_tails(Scenarios([coin, rest], [["a"], ["a", "rest"]]), "rest", 3).distributions["rest"].exact[0]
    (Fraction(1, 10), Fraction(1, 5), Fraction(2, 5))
    """
    _absorbing(scenarios, absorbing)
    least, step = to_exact(epsilon), to_exact(ratio)
    if types < 1 or least <= 0 or step <= 1:
        raise InputError([Fault("types", f"is {types}", "give at least 1, epsilon above 0 and ratio above 1")])
    tails = [Fraction(1) / step**k for k in range(types)]
    law = [here - after for here, after in zip(tails, [*tails[1:], Fraction(0)], strict=True)]
    names = {absorbing} if isinstance(absorbing, str) else set(absorbing)
    changed: Any = {
        name: ([least * step**k for k in range(types)], law) if name in names else one.given
        for name, one in scenarios.distributions.items()
    }
    return replace(scenarios, distributions=changed)


def _absorbing(scenarios: Scenarios, absorbing: str | Iterable[str]) -> frozenset[int]:
    """Scenarios that end with such a distribution."""
    names = {absorbing} if isinstance(absorbing, str) else set(absorbing)
    faults = []
    if names and scenarios.agents > 1:
        faults.append(Fault("absorbing", "is for one buyer", "leave it out"))
    for name in sorted(names):
        known = scenarios.distributions.get(name)
        if known is None or known.values.tolist() != [0.0]:
            fix = "name a distribution with values = [0] and probabilities = [1]"
            faults.append(Fault("absorbing", f"{name!r} is not one of a sure value 0", fix))
    for s, sequence in enumerate(scenarios.sequences):
        if names & set(sequence[:-1]):
            what = f"goes on after an absorbing period: {', '.join(sequence)}"
            faults.append(Fault(f"scenarios[{s}]", what, "put it last"))
    if faults:
        raise InputError(faults)
    return frozenset(s for s, sequence in enumerate(scenarios.sequences) if sequence[-1] in names)
