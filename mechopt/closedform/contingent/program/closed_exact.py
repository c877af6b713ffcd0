"""Transfers of Theorems 3.1 and 3.2 in fractions: the same closed forms, from exact targets.

Values that the truth is worth are exact (`Worth`): the surplus of the efficient rule before the last period, or what a
given rule is worth to an agent without transfers. Lemma A.3 takes the vector from the hull as it is, not scaled to
length 1; Lemma A.4 solves (M'M) y = c and pays M y, the pseudo-inverse where columns are independent.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.closedform.contingent.conditions.exact_hull import exact_nearest
from mechopt.closedform.contingent.conditions.spanning import Place
from mechopt.closedform.contingent.conditions.systems import smallest_by_report
from mechopt.closedform.contingent.program.exactly import exactly
from mechopt.closedform.contingent.program.nearby import exact_near
from mechopt.closedform.contingent.program.numbers import Numbers, exact_numbers, marginal, others_of, with_own
from mechopt.closedform.contingent.program.possible import (
    exact_transfers,
    require_exact,
    rule_surplus,
    worth_of_flows,
)
from mechopt.closedform.contingent.program.rows import Rows
from mechopt.closedform.contingent.program.smallest_exact import smallest_exactly
from mechopt.closedform.contingent.result import ExactTransfers
from mechopt.closedform.contingent.setting import ConditionError, Setting
from mechopt.core.errors import MechoptError
from mechopt.core.numbers import Array, IntArray
from mechopt.environment.interdependent import InterdependentTypes

Vector = list[Fraction]


def exact_closed(
    environment: InterdependentTypes, setting: Setting, method: str, smallest: bool = False
) -> ExactTransfers:
    """Fractions of the transfers of a theorem.

    Parameters
    ----------
    environment : InterdependentTypes
    setting : Setting
    method : {"convex", "spanning"}
    smallest : bool
        Whether each transfer is to have the smallest largest entry; proved by multipliers as it is found.

    Raises
    ------
    ConditionError
        If a target cannot be met.
    LimitError
        If the smallest ones take too long.
    """
    require_exact(environment)
    numbers = exact_numbers(environment)
    policy = tuple(stage.reshape(-1) for stage in setting.policy)
    surplus = None if setting.targeted is None else efficient_surplus(numbers, policy)
    tables, values, ends = [], [], []
    for i in range(numbers.agents):
        end = None
        if not numbers.infinite and not setting.constant:
            end = last_payments(numbers, policy[-1], i)
        worth = truthful_exactly(numbers, policy, i, surplus, end)
        tables.append(closed_transfers(environment, numbers, method, policy, i, worth, surplus, smallest))
        values.append(worth)
        ends.append(end)
    return exact_transfers(environment, policy, tables, values, ends, [Fraction(0)] * numbers.agents)


def efficient_surplus(numbers: Numbers, policy: tuple[IntArray, ...]) -> list[Array]:
    """W by period, the last one's the best of all actions there."""
    if numbers.infinite:
        return list(rule_surplus(numbers, policy))
    found = [np.max(numbers.surplus(numbers.stages - 1), axis=0)]
    for t in reversed(range(numbers.stages - 1)):
        here = np.arange(len(policy[t]))
        later = (numbers.kernel[t][policy[t], here] * found[0]).sum(axis=1)
        found.insert(0, numbers.surplus(t)[policy[t], here] + numbers.discount * later)
    return found


def truthful_exactly(
    numbers: Numbers, policy: tuple[IntArray, ...], i: int, surplus: list[Array] | None, end: Any
) -> list[Array]:
    """Value of the truth to an agent, by period."""
    flow = [numbers.values[t][i][policy[t], np.arange(len(policy[t]))] for t in range(numbers.stages)]
    flow[-1] = flow[-1] if end is None else flow[-1] - end
    if surplus is None:
        return worth_of_flows(numbers, policy, flow)
    return surplus if numbers.infinite else [*surplus[:-1], flow[-1]]


def last_payments(numbers: Numbers, policy: IntArray, agent: int) -> Array:
    """Largest payments with 0 at the first own signal that implement the last allocation; axes: profile.

    Shortest distances from the first own signal (Bellman and Ford); the allocation has to be implementable.
    """
    t = numbers.stages - 1
    shape, own = numbers.shape[t], numbers.shape[t][agent]
    values, moved = numbers.values[t][agent], with_own(shape, agent)
    found = np.full(len(policy), Fraction(0), dtype=object)
    for start in np.flatnonzero(moved[:, 0] == np.arange(len(policy))):
        line = moved[start]
        arcs = [[values[policy[k], k] - values[policy[r], k] for k in line] for r in line]
        distance: list[Any] = [Fraction(0), *[None] * (own - 1)]
        for _ in range(own):
            for r in range(own):
                for k in range(own):
                    if distance[r] is not None and (distance[k] is None or distance[r] + arcs[r][k] < distance[k]):
                        distance[k] = distance[r] + arcs[r][k]
        if any(distance[r] + arcs[r][k] < distance[k] for r in range(own) for k in range(own)):
            raise ConditionError("last period", "the last allocation is not implementable in exact numbers")
        found[line] = distance
    return found


def closed_transfers(
    environment: InterdependentTypes,
    numbers: Numbers,
    method: str,
    policy: tuple[IntArray, ...],
    agent: int,
    values: list[Array],
    surplus: list[Array] | None,
    smallest: bool = False,
) -> list[Array]:
    """Payments by period; axes: reported profile, the others' next profile.

    Parameters
    ----------
    environment : InterdependentTypes
    numbers : Numbers
        With fractions.
    method : {"convex", "spanning"}
    policy : tuple over periods of int arrays ``(profile,)``
    agent : int
    values : list over periods of arrays ``(profile,)``
        What the truth is worth.
    surplus : list over periods of arrays ``(profile,)``, or None
        W where the rule is efficient before the last period.
    smallest : bool

    Raises
    ------
    ConditionError
        If a target cannot be met.
    """
    found = []
    for t, kernel in enumerate(numbers.kernel):
        shape, following, discount = numbers.shape[t], numbers.following(t), numbers.discount
        then, others = marginal(kernel, numbers.shape[following], agent), others_of(shape, agent)
        worth = exact_target(numbers, t, agent, values, surplus)
        table = np.full((len(policy[t]), then.shape[-1]), Fraction(0), dtype=object)
        moved, known = with_own(shape, agent), dict[tuple[int, int], Vector]()
        for s in range(len(policy[t])):
            action, line, own = int(policy[t][s]), moved[s], int(np.flatnonzero(moved[s] == s)[0])
            columns = [list(then[action, k]) for k in line]
            target = [worth[action, k] / discount for k in line]
            key = action, int(others[s])
            if method == "spanning" and key not in known:
                known[key] = (least if smallest else spanned_exactly)(columns, target) or []
            if method == "spanning":
                paid: Vector | None = known[key]
            else:
                paid = least(columns, target, own) if smallest else separated_exactly(columns, target, own)
            if not paid:
                signals = np.unravel_index(s, shape)
                profile = tuple(int(k) for j, k in enumerate(signals) if j != agent)
                place = Place(agent, t, action, profile, None if method == "spanning" else own)
                condition = "spanning" if method == "spanning" else "convex independence"
                message = f"{condition} fails at {place.named(environment)}, in exact numbers; try method='any'"
                raise ConditionError(condition, message, place)
            table[s] = paid
        found.append(table)
    return found


def least(columns: list[Vector], target: Vector, own: int | None = None) -> Vector | None:
    """The smallest transfer, for one report or for all; None where no transfer meets the target.

    Parameters
    ----------
    columns : list over own signals of lists over rows
    target : list over own signals
    own : int, optional
    """
    found = smallest_exactly(columns, target, own)
    return None if found is None else found.transfer


def exact_target(numbers: Numbers, t: int, agent: int, values: list[Array], surplus: list[Array] | None) -> Array:
    """Discount times the target of `targets.target`, in fractions; axes: action, profile."""
    kernel, discount, following = numbers.kernel[t], numbers.discount, numbers.following(t)
    if surplus is None:
        return np.asarray(numbers.values[t][agent] + discount * (kernel @ values[following]) - values[t])
    worth = numbers.values[t][agent] - numbers.surplus(t)
    return np.asarray(worth - discount * (kernel @ (surplus[following] - values[following])))


def separated_exactly(columns: list[Vector], target: Vector, own: int) -> Vector | None:
    """Lemma A.3; None where the column is in the hull of the others and its target too low to be met there."""
    rows = len(columns[0])
    if len(columns) == 1 or max(target) <= target[own]:
        return [target[own]] * rows
    z = exact_nearest(columns, own)
    if not any(z):
        return _met_in_the_hull(columns, target, own)
    reach = [sum((x * y for x, y in zip(z, column, strict=True)), Fraction(0)) for column in columns]
    steepest = max((target[k] - target[own]) / (reach[own] - reach[k]) for k in range(len(columns)) if k != own)
    return [target[own] + steepest * (reach[own] - x) for x in z]


def _met_in_the_hull(columns: list[Vector], target: Vector, own: int) -> Vector | None:
    """Transfers of a column in the hull of the others, by the linear program of its own target."""
    distribution: Array = np.array(columns, dtype=object).T
    near = smallest_by_report(distribution.astype(np.float64), np.array(target, dtype=np.float64), own)
    if near is None:
        return None
    rows, count = distribution.shape
    column, row = (axis.ravel() for axis in np.indices((rows, count)))
    equal = np.arange(count) == own
    side: Array = np.array(target, dtype=object)
    label = np.zeros((count, 5), dtype=np.int64)
    scale = max(1e-300, float(np.abs(near).max()))
    try:
        return exactly(Rows(row, column, distribution.ravel(), side, equal, label), near, np.arange(rows), scale)
    except MechoptError:
        return None


def spanned_exactly(columns: list[Vector], target: Vector) -> Vector | None:
    """Lemma A.4; None where no transfer has these targets."""
    count = len(columns)
    inner = [[sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0)) for b in columns] for a in columns]
    rows = [{k: value for k, value in enumerate(row) if value} for row in inner]
    weights = exact_near(rows, target, np.zeros(count), np.arange(count))
    if weights is None:
        return None
    paid = [
        sum((w * column[n] for w, column in zip(weights, columns, strict=True)), Fraction(0))
        for n in range(len(columns[0]))
    ]
    met = [sum((p * x for p, x in zip(paid, column, strict=True)), Fraction(0)) for column in columns]
    return paid if met == target else None
