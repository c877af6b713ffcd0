"""Whether a rule for environments knows the future: its later periods are changed, and what it does before is compared.

This refutes with a witness; that it finds none over the futures tried is evidence, not proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, require_type
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.scenarios.mechanism import written_out
from mechopt.mechanism.scenarios.non_clairvoyant import NonClairvoyant
from mechopt.verification.report import ConstraintCheck
from mechopt.verification.scenarios.foreknowledge import check_foreknowledge, nodes

MAX_HISTORIES = 300
"""Largest number of histories of an environment that is put through a rule."""

Period = tuple[tuple[tuple[Any, ...], ...], tuple[tuple[Any, ...], ...], Any]
"""Values and probabilities by buyer, and cost."""


def changed_futures(
    environment: IndependentTypes, rng: np.random.Generator | int = 0, drawn: int = 1
) -> tuple[IndependentTypes, ...]:
    """Environments whose first periods are those of the given one, and whose later ones are not.

    For each period t: nothing comes after it; something worth little or much comes in place of each later period (the
    much is ten times what there was, rarely); and distributions drawn at random do. Of all periods: one more of each.

    Parameters
    ----------
    environment : IndependentTypes
        Cut after as many periods as have at most `MAX_HISTORIES` histories with one more period of two types.
    rng : numpy Generator or seed
    drawn : int
        Random continuations for each period.

    Returns
    -------
    tuple of IndependentTypes
        The given one, as far as it goes, comes first.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> [other.horizon for other in changed_futures(env)]
    [2, 1, 2, 2, 2, 3, 3, 3]
    """
    require_type(environment, "IndependentTypes", "changed_futures", "give one with a number of periods")
    generator, agents = np.random.default_rng(rng), environment.agents
    own = [_period(environment, t) for t in range(environment.horizon)]
    discount = environment.exact.discount if environment.exact is not None else environment.discount
    reached = np.cumprod([float(prod(shape)) for shape in environment.shape]) * 2**agents
    horizon = max(1, int((reached <= MAX_HISTORIES).sum()))
    top = max(Fraction(float(values[-1])) for t in range(horizon) for values in own[t][0]) or Fraction(1)

    def alike(values: Sequence[Any], probabilities: Sequence[Any]) -> Period:
        return (tuple(values),) * agents, (tuple(probabilities),) * agents, 0

    def at_random() -> Period:
        values = np.sort(generator.choice(40, 2, replace=False)) + 1
        likely = Fraction(int(generator.integers(1, 10)), 10)
        return alike([int(v) * top / 20 for v in values], [likely, 1 - likely])

    little = alike([top / 10], [1])
    much = alike([top, 10 * top], [Fraction(9, 10), Fraction(1, 10)])
    rows = [own[:horizon]]
    for t in range(horizon):
        later = max(1, horizon - t - 1)
        if t + 1 < horizon:
            rows.append(own[: t + 1])
        rows += [own[: t + 1] + [other] * later for other in (little, much)]
        rows += [own[: t + 1] + [at_random() for _ in range(later)] for _ in range(drawn)]
    return tuple(_environment(row, discount) for row in rows)


def check_rule(
    rule: Callable[[IndependentTypes], Any],
    environments: Sequence[IndependentTypes],
    constraint: Constraint = NonClairvoyant(),
    exact: bool = False,
) -> ConstraintCheck:
    """Check whether a rule treats environments alike as long as their periods are the same.

    Parameters
    ----------
    rule : function
        From an environment to a `Mechanism`, or something with ``to_mechanism`` that gives one.
    environments : sequence of IndependentTypes
        Of one discount and number of buyers, such as `changed_futures`. One for which the rule raises `InputError` lies
        outside what it is for, and is left out.
    constraint : Constraint
        `NonClairvoyant` or `QuasiNonClairvoyant`.
    exact : bool
        Whether differences are taken in fractions.

    Raises
    ------
    InputError
        If no two environments are left that are the same in their first period, or discounts or buyers differ.

    Examples
    --------
    >>> import mechopt as mo
    >>> env = IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=2)
    >>> check_rule(mo.non_clairvoyant_balance, changed_futures(env)).status
    <Status.SATISFIED: 'satisfied'>
    >>> check_rule(lambda env: mo.optimum(env).mechanism, changed_futures(env)).status
    <Status.VIOLATED: 'violated'>
    """
    require_type(environments, (tuple, list), "check_rule", "give a list of IndependentTypes")
    if len({(env.discount, env.agents) for env in environments}) > 1:
        raise InputError("environments differ in discount or number of buyers; give those of one seller")
    made: list[tuple[IndependentTypes, Mechanism]] = []
    for environment in environments:
        try:
            made.append((environment, written_out(rule(environment))))
        except InputError:
            continue
    periods = [[_period(env, t) for t in range(env.horizon)] for env, _ in made]
    numbers = {period: k for k, period in enumerate(dict.fromkeys(p for row in periods for p in row))}
    prefixes = [[f"F{numbers[period]}" for period in row] for row in periods]
    if not nodes(prefixes, False):
        raise InputError("no two of these environments have the same first period and are ones that the rule is for")
    names = [", ".join(row) for row in prefixes]
    return check_foreknowledge(constraint, [mechanism for _, mechanism in made], names, prefixes, exact)


def _period(environment: IndependentTypes, t: int) -> Period:
    source: Any = environment.exact if environment.exact is not None else environment
    pairs = ([tuple(row[t]) for row in rows] for rows in (source.values, source.probabilities))
    values, probabilities = map(tuple, pairs)
    return values, probabilities, source.cost[t]


def _environment(periods: Sequence[Period], discount: Any) -> IndependentTypes:
    agents = range(len(periods[0][0]))
    values, probabilities = ([[period[part][i] for period in periods] for i in agents] for part in (0, 1))
    return IndependentTypes(values, probabilities, [period[2] for period in periods], discount)
