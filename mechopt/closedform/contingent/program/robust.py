r"""Transfers that stay right for every kernel near to a given one, where actions do not move the signals.

At a profile of signals truth and misreport then face the same distribution q of the next signals, so that what the
truth is worth later cancels: report r gains, at true signal k, with a_r the action that it leads to,

    u(a_r, k) - u(a_k, k) - d q.(p_r - p_k),          q the distribution of the others' next signals

and it gains nothing for any q of a set Q exactly where the smallest value over Q of q.(p_r - p_k) is large enough. For
the set of all q within `radius` of m in total size, q on the simplex, that smallest value is by duality

    max  v + m.w - radius s,      v + w_n <= (p_r - p_k)_n,   |w_n| <= s

so that robust transfers are the solutions of one linear program, with no loss: there are some if it has a solution.
Sets may differ by profile, and kernels may change from period to period within them.

Where transitions depend on actions truth and misreport face two distributions, what the truth is worth later does not
cancel, and the set of robust transfers is not a polytope of this kind: this is refused.

Source: Ben-Tal, El Ghaoui and Nemirovski (2009), Robust Optimization, chapter 1, on the class of Liu (2025).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mechopt.closedform.contingent.conditions.spanning import matrices
from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.program.numbers import float_numbers, marginal, with_own
from mechopt.closedform.contingent.program.optimum import Infeasible, Program, solve
from mechopt.closedform.contingent.program.possible import by_action
from mechopt.closedform.contingent.program.rows import MAX_ENTRIES, Kind, Rows, last_rows, layout
from mechopt.closedform.contingent.result import ContingentTransfers, finished
from mechopt.closedform.contingent.setting import ConditionError, LastRule, Setting, prepare
from mechopt.closedform.contingent.targets import values_under
from mechopt.closedform.pivot.efficient_joint import expected_next
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind


def robust_transfers(
    environment: InterdependentTypes, radius: float, last_period: LastRule = "efficient", rule: Any = None
) -> ContingentTransfers:
    """Find the smallest transfers that make the truth best for every kernel within a radius.

    Parameters
    ----------
    environment : InterdependentTypes
        Its transitions do not depend on actions.
    radius : float
        Of the set around each distribution of the others' next signals: the sum of the sizes of all differences, twice
        the total variation distance. 0 for the given kernel alone, 2 for all.
    last_period, rule
        As in `contingent_transfers`. The rule is kept, whatever the kernel: it is efficient for the given one.

    Returns
    -------
    ContingentTransfers
        Of method "any"; gain, utilities and welfare are those of the given kernel.

    Raises
    ------
    ConditionError
        If there are none.
    InputError
        If transitions depend on actions, or an argument does not fit.

    Examples
    --------
    >>> from mechopt import modelfile
    >>> env = modelfile.load("liu-2025/winner-pay")
    >>> [round(robust_transfers(env, radius).max_abs, 4) for radius in (0, 0.1, 0.2)]
    [3.3333, 3.4188, 4.8765]
    """
    require_kind(environment, "interdependent", "robust_transfers")
    if not isinstance(radius, (int, float)) or isinstance(radius, bool) or not 0 <= radius <= 2:
        raise InputError(f"radius: is {radius!r}; write a number from 0 to 2")
    if any(environment.controlled(t) for t in range(len(environment.kernel))):
        raise InputError(
            "kernel: depends on the action, and no transfers are known to be robust then; try estimated_gains to see "
            "what a wrong kernel costs"
        )
    setting = prepare(environment, rule, last_period, None)
    gained, values = list[FloatArray](), list[tuple[FloatArray, ...]]()
    tables = [
        [_table(environment, setting, t, i, float(radius)) for i in range(environment.agents)]
        for t in range(len(environment.kernel))
    ]
    payments = [
        tuple(readonly(by_action(environment, setting.policy[t], t, i, table)) for i, table in enumerate(row))
        for t, row in enumerate(tables)
    ]
    ends = None if setting.last_payments is None else _last_payments(environment, setting)
    for i in range(environment.agents):
        paid = [_paid(environment, setting, payments, t, i) for t in range(len(payments))]
        last = None if ends is None else ends[i]
        values.append(values_under(environment, i, setting.policy, paid, last))
        for t, table in enumerate(paid):
            later = expected_next(environment, values[i][0 if environment.infinite else t + 1], t)
            gained.append(gains(environment, i, t, setting.policy[t], later, environment.discount * table))
    sizes = [float(np.abs(array).max()) for row in payments for array in row]
    own = replace(setting, values=tuple(values), last_payments=ends)
    return finished(
        environment, "any", f"robust linear program, radius {radius:g}", own, tuple(payments), (), gained, sizes
    )


def _last_payments(environment: InterdependentTypes, setting: Setting) -> tuple[FloatArray, ...]:
    """Smallest payments that implement the last period's allocation; no kernel matters to them."""
    if setting.constant:
        assert setting.last_payments is not None
        return setting.last_payments
    numbers, policy = float_numbers(environment), tuple(stage.ravel() for stage in setting.policy)
    found = []
    for i in range(environment.agents):
        where = layout(numbers, i, policy, None, "free", False, False)
        rows = last_rows(numbers, where, policy)
        assert where.last is not None
        count = len(where.last)
        rows = rows._replace(column=rows.column - where.last[0])
        scale = max(1e-300, float(np.abs(numbers.values[-1]).max()))
        paid = solve(Program(rows, count, np.arange(count), scale)) if len(rows.side) else np.zeros(count)
        assert not isinstance(paid, Infeasible)  # `prepare` found it implementable
        found.append(readonly(paid.reshape(environment.shape[-1])))
    return tuple(found)


def _paid(environment: InterdependentTypes, setting: Setting, payments: Any, t: int, i: int) -> FloatArray:
    columns = matrices(environment, t, i)
    columns = columns.reshape(len(columns), -1, *columns.shape[-2:])
    table = payments[t][i].reshape(*columns.shape[:2], columns.shape[3], columns.shape[2])
    return expected_payment(table, columns, by_report(setting.policy[t], i))


def _table(environment: InterdependentTypes, setting: Setting, t: int, i: int, radius: float) -> FloatArray:
    """Transfers ``(reported profile, others' next profile)``."""
    numbers, shape = float_numbers(environment), environment.shape[t]
    policy, moved = setting.policy[t].ravel(), with_own(shape, i)
    law = marginal(numbers.kernel[t][0], environment.shape[numbers.following(t)], i)  # profile, others' next
    count, then = law.shape
    true, told = (axis.ravel() for axis in np.broadcast_arrays(np.arange(count)[:, np.newaxis], moved))
    other = true != told
    true, told = true[other], told[other]
    if len(true) * then * 8 > MAX_ENTRIES:
        raise LimitError(f"the robust program has {len(true) * then * 8:,} coefficients, at most {MAX_ENTRIES:,}")
    if not len(true):
        return np.zeros((count, then))
    values = environment.values[i][t].reshape(environment.action_counts[t], count)
    side = (values[policy[told], true] - values[policy[true], true]) / environment.discount
    rows, columns = _robust_rows(law[true], true, told, side, radius, count * then)
    program = Program(rows, columns, np.arange(count * then), max(1e-300, float(np.abs(values).max())))
    found = solve(program)
    if isinstance(found, Infeasible):
        name = environment.names[i]
        raise ConditionError(
            "robustness",
            f"no transfers make the rule truthful for agent {name!r} in period {t} at every kernel within {radius:g}; "
            "try a smaller radius",
        )
    return found[: count * then].reshape(count, then)


def _robust_rows(
    law: FloatArray, true: IntArray, told: IntArray, side: FloatArray, radius: float, paid: int
) -> tuple[Rows, int]:
    """Rows of all pairs of a true and a reported profile, and the number of unknowns: payments, then v, w and s."""
    pairs, then = law.shape
    outcome, pair = np.arange(then), np.arange(pairs)[:, np.newaxis]
    value = paid + pair  # v
    weight = paid + pairs + pair * then + outcome  # w
    slack = paid + pairs + pairs * then + pair  # s
    entries: list[tuple[Any, Any, Any]] = []

    def add(row: Any, column: Any, coefficient: Any) -> None:
        entries.append(tuple(axis.ravel() for axis in np.broadcast_arrays(row, column, coefficient)))  # type: ignore[arg-type]

    worst = pair  # v + m.w - radius s >= side
    add(worst, value, 1.0)
    add(worst, weight, law)
    add(worst, slack, -radius)
    below = pairs + pair * then + outcome  # p_r - p_k - v - w >= 0
    add(below, told[:, np.newaxis] * then + outcome, 1.0)
    add(below, true[:, np.newaxis] * then + outcome, -1.0)
    add(below, value, -1.0)
    add(below, weight, -1.0)
    for sign, start in ((1.0, pairs + pairs * then), (-1.0, pairs + 2 * pairs * then)):  # s >= |w|
        row = start + pair * then + outcome
        add(row, slack, 1.0)
        add(row, weight, sign)
    row, column, coefficient = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    sides = np.concatenate([side, np.zeros(3 * pairs * then)])
    label = np.zeros((len(sides), 5), dtype=np.int64)
    label[:, 0] = Kind.MISREPORT
    kept = coefficient != 0
    rows = Rows(row[kept], column[kept], coefficient[kept], sides, np.zeros(len(sides), dtype=bool), label)
    return rows, paid + pairs * (then + 2)
