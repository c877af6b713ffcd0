r"""Contingent transfers over several future periods, where what the others see next does not tell enough.

What agent i saw in period t may show in the others' signals of t + 1, ..., t + L together, though in none alone. With
M_{t+k} the distributions of the others' signals k periods later by own signal, the transfers p_{t+k} about period t
solve

    sum_k d^k M_{t+k}' p_{t+k} = d c(a, th)

for the target c of one step: spanning or convex independence is asked of the stack of the d^k M_{t+k}, divided by
sum_k d^k so that its columns sum to 1. The last periods have fewer than L ahead and fall back on these.

Where transitions do not depend on actions, no later report moves what is still due: any horizon, either condition.

Where they do, the slides' transfers fail: the distribution of p_{t+2} depends on a_{t+1}, which agent i's next report
moves, and a_{t+1} is chosen by what was seen, not imposed. With a finite horizon and spanning this corrects it: p_{t+k}
is about (a_t, th_t^-i) and not about later actions; laws are those under the rule from t + 1 on; and with l(a, th) the
expected present value of what is still due from earlier, the target of every period is raised by (l(a_t(th), th) - l(a,
th))/d, so that what is due is as if the rule's action had been taken. Targets then depend on all earlier actions and
others' signals, and so do the transfers. For an infinite horizon these histories are unbounded, and with transfers that
depend on own reports they include those: neither is proved to work, and both are refused.

Source: Liu (2025), Propositions 5.3 (convex independence) and 5.4 (spanning), for finite signals and the stack.
"""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from mechopt.closedform.contingent.conditions.systems import least_norm
from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.result import ContingentTransfers, finished, shaped
from mechopt.closedform.contingent.setting import ConditionError, Setting, chain
from mechopt.closedform.contingent.solve import BY_TARGET, System, separate, span
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes

MAX_ENTRIES = 20_000_000
"""Largest number of transfers about one period."""
MOST_STEPS = 8
"""Most future periods that ``steps="auto"`` stacks: later ones tell less and less, and discounts shrink them."""
FIX = "try method='any', or stack more periods"


def stacked(
    environment: InterdependentTypes, setting: Setting, steps: int | Literal["auto"], smallest: bool
) -> ContingentTransfers:
    """Solve for stacked transfers; see `contingent_transfers`.

    Raises
    ------
    ConditionError
        If neither condition holds for the stacks, or the case is not proved.
    LimitError
        If there are too many histories.
    """
    if steps == "auto":
        return _fewest(environment, setting, smallest)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps: {steps!r} is not a number of periods to stack; write one such as 2, or 'auto'")
    if not any(environment.controlled(t) for t in range(len(environment.kernel))):
        return _uncontrolled(environment, setting, steps, smallest)
    if environment.infinite:
        raise ConditionError(
            "stacking",
            "transitions depend on actions and the horizon is infinite: what is still due from earlier periods becomes "
            "a state that is unbounded, and no construction is proved; take method='spanning' or 'convex', a "
            "finite horizon, or transitions that do not depend on actions",
        )
    if smallest:
        raise InputError(
            "smallest: stacked transfers where transitions depend on actions are the shortest; leave it out"
        )
    return _controlled(environment, setting, steps)


def _fewest(environment: InterdependentTypes, setting: Setting, smallest: bool) -> ContingentTransfers:
    """Transfers with the fewest steps for which there are any, up to the end or `MOST_STEPS`."""
    most = MOST_STEPS if environment.infinite else max(environment.stages - 1, 1)
    for steps in range(1, min(most, MOST_STEPS) + 1):
        try:
            return stacked(environment, setting, steps, smallest)
        except ConditionError as error:
            if error.condition == "stacking":
                raise
            last = error
    raise last


def ahead(environment: InterdependentTypes, t: int, steps: int) -> int:
    """Number of future periods that transfers about period t can use."""
    return steps if environment.infinite else min(steps, environment.stages - 1 - t)


def future_columns(
    environment: InterdependentTypes, policy: tuple[IntArray, ...], t: int, agent: int, length: int
) -> list[FloatArray]:
    """Distributions of the others' signals 1, ..., `length` periods after t, under the policy from t + 1 on.

    Parameters
    ----------
    environment : InterdependentTypes
    policy : tuple over periods of int arrays
    t, agent, length : int

    Returns
    -------
    list of float arrays ``(action or 1, others, row, own signal)``
    """
    kernel = environment.kernel[t]
    joint = kernel[:1] if not environment.controlled(t) else kernel
    now = environment.shape[t]
    joint = joint.reshape(len(joint), prod(now), -1)
    found, at = [], t
    for _ in range(length):
        following = environment.following(at)
        law = joint.reshape(len(joint), *now, *environment.shape[following])
        law = np.moveaxis(law.sum(axis=1 + environment.agents + agent), 1 + agent, -1)
        others = prod(now) // now[agent]
        found.append(np.ascontiguousarray(law).reshape(len(joint), others, -1, now[agent]))
        at = following
        if len(found) < length:
            joint = joint @ chain(environment, policy, at)
    return found


def _stack(laws: list[FloatArray], discount: float) -> tuple[FloatArray, float]:
    """One matrix above the other, weighted by discounts that sum to 1; and what they summed to."""
    weights = discount ** np.arange(1, len(laws) + 1)
    total = float(weights.sum())
    return np.concatenate([w / total * law for w, law in zip(weights, laws, strict=True)], axis=2), total


def _system(
    environment: InterdependentTypes, setting: Setting, t: int, agent: int, columns: FloatArray, wanted: FloatArray
) -> System:
    used = by_report(setting.policy[t], agent) == np.arange(wanted.shape[-3])[:, np.newaxis, np.newaxis]
    return System(environment, t, agent, columns, wanted, used, FIX)


def _uncontrolled(
    environment: InterdependentTypes, setting: Setting, steps: int, smallest: bool
) -> ContingentTransfers:
    systems: dict[tuple[int, int], tuple[System, float, list[int]]] = {}
    for t in range(len(environment.kernel)):
        for i in range(environment.agents):
            laws = future_columns(environment, setting.policy, t, i, ahead(environment, t, steps))
            columns, total = _stack(laws, environment.discount)
            worth = environment.discount * target(environment, i, t, setting.values[i], setting.targeted)
            system = _system(environment, setting, t, i, columns, by_own_signal(worth, i) / total)
            systems[t, i] = system, total, [law.shape[2] for law in laws]
    try:
        solved = {key: span(system, smallest) for key, (system, _, _) in systems.items()}
        theorem = "Proposition 5.4"
    except ConditionError:
        solved = {key: separate(system, smallest) for key, (system, _, _) in systems.items()}
        theorem = "Proposition 5.3"
    payments, later, tables = [], [], []
    for t in range(len(environment.kernel)):
        parts = []
        for i in range(environment.agents):
            (system, total, rows), transfers = systems[t, i], solved[t, i].transfers
            paid = expected_payment(transfers, system.columns, by_report(setting.policy[t], i))
            expected = setting.expected_value(environment, i, t)
            tables.append(gains(environment, i, t, setting.policy[t], expected, total * paid))
            cut = np.split(transfers, np.cumsum(rows)[:-1], axis=-1)
            parts.append([shaped(environment, t, i, t + 1 + k, part) for k, part in enumerate(cut)])
        payments.append(tuple(part[0] for part in parts))
        later.append(tuple(tuple(part[1:]) for part in parts))
    bounds = [found.bound for found in solved.values()]
    theorem += BY_TARGET if any(found.by_target for found in solved.values()) else ""
    condition = max((found.condition for found in solved.values()), default=1.0)
    stages = tuple(payments), tuple(later)
    return finished(environment, "stacked", theorem, setting, *stages, tables, bounds, condition=condition)


def _controlled(environment: InterdependentTypes, setting: Setting, steps: int) -> ContingentTransfers:
    payments, tables, bounds = [], [], []
    for i in range(environment.agents):
        own_payments, own_tables, own_bounds = _with_liabilities(environment, setting, i, steps)
        payments.append(own_payments)
        tables += own_tables
        bounds += own_bounds
    by_period = tuple(zip(*payments, strict=True))
    theorem = "Proposition 5.4, corrected where actions move the signals"
    return finished(environment, "stacked", theorem, setting, by_period, (), tables, bounds, history=True)


def _with_liabilities(
    environment: InterdependentTypes, setting: Setting, agent: int, steps: int
) -> tuple[list[FloatArray], list[FloatArray], list[float]]:
    """Payments by period ``(a_0, *others_0, ..., a_t, *others_t, *others_{t+1})``, gains and bounds of one agent."""
    discount, final = environment.discount, environment.stages - 1
    outstanding: dict[int, FloatArray] = {}  # by the period it is due: (history, others' profile then)
    payments, tables, bounds, histories = [], [], [], 1
    sizes: list[int] = []
    for t in range(final):
        laws = future_columns(environment, setting.policy, t, agent, final - t)
        laws = [np.broadcast_to(law, (environment.action_counts[t], *law.shape[1:])) for law in laws]
        columns, total = _stack(laws[: ahead(environment, t, steps)], discount)
        actions = by_report(setting.policy[t], agent)
        others, reports = np.arange(len(actions))[:, np.newaxis], np.arange(actions.shape[1])
        count = len(laws[0]) * len(actions)
        if histories * count * columns.shape[2] > MAX_ENTRIES:
            raise LimitError(
                f"transfers depend on {histories * count:,} histories by period {t}, with {columns.shape[2]} entries "
                f"each; at most {MAX_ENTRIES:,} together: use fewer periods, actions or signals"
            )
        liability = np.zeros((1, *laws[0].shape[:2], laws[0].shape[3]))  # history, action, others, own signal
        for due, promised in outstanding.items():
            liability = liability + discount ** (due - t) * np.einsum("hn,abnk->habk", promised, laws[due - t - 1])
        told = liability[:, actions, others, reports][:, np.newaxis]
        worth = by_own_signal(discount * target(environment, agent, t, setting.values[agent], setting.targeted), agent)
        wanted = (worth + told - liability) / total
        system = _system(environment, setting, t, agent, columns, worth / total)
        bounds.append(min(steps, final) * _bounded(system, wanted))  # so many promises may be due together
        transfers = least_norm(columns, wanted) * np.asarray(system.used.any(axis=-1))[..., np.newaxis]
        paid = total * (transfers[..., np.newaxis, :] @ columns)[..., 0, :] + liability
        expected = setting.expected_value(environment, agent, t)
        tables.append(gains(environment, agent, t, setting.policy[t], expected, paid[:, actions, others]))
        rows = [law.shape[2] for law in laws[: ahead(environment, t, steps)]]
        made = np.split(transfers, np.cumsum(rows)[:-1], axis=-1)
        outstanding = _added(outstanding, {t + 1 + k: part for k, part in enumerate(made)}, histories)
        sizes += [environment.action_counts[t], *(n for j, n in enumerate(environment.shape[t]) if j != agent)]
        histories *= count
        then = [n for j, n in enumerate(environment.shape[t + 1]) if j != agent]
        payments.append(readonly(outstanding.pop(t + 1).reshape(*sizes, *then)))
        outstanding = {due: promised.reshape(histories, -1) for due, promised in outstanding.items()}
    return payments, tables, bounds


def _added(outstanding: dict[int, FloatArray], made: dict[int, FloatArray], histories: int) -> dict[int, FloatArray]:
    """All promises by the period they are due, ``(history, action, others, row)``; earlier ones are by history."""
    total = {}
    shape = next(iter(made.values())).shape[1:3]
    for due in sorted({*outstanding, *made}):
        rows = (made[due] if due in made else outstanding[due]).shape[-1]
        promised = np.zeros((histories, *shape, rows))
        if due in made:
            promised += made[due]
        if due in outstanding:
            promised += outstanding[due][:, np.newaxis, np.newaxis]
        total[due] = promised
    return total


def _bounded(system: System, wanted: FloatArray) -> float:
    """Bound on the transfers of all histories, after the condition; raises where it fails."""
    span(system, every_target=True)
    least = np.linalg.svd(system.columns, compute_uv=False)[..., -1]
    used = np.asarray(system.used.any(axis=-1))
    size: FloatArray = np.asarray(np.linalg.norm(wanted, axis=-1).max(axis=0))
    return float((size[used] / least[used]).max())
