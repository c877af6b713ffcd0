r"""The virtual pivot where initial reports cannot be taken back: what a misreport brings then.

Interval dominance (16) is about agents who may report their initial type again in every period. With a continuum of
signals that changes nothing. With finitely many it does: an agent who reported k' at contracting may then ask only for
what some signal of type k' would be given, which can deter her although (16) fails. In the allocation phase after k'
the policy a and the payments p depend on the reported signals alone, so that type k's best strategy solves ::

    D_t(z) = max_r  v_i(a(r, z_-i), k, z_i) - p_i(r, z_-i) + d E[D_{t+1}(z') | a(r, z_-i), z]

knowing the others' signals of the period. (Reports r that her own past ones rule out are not left away here: where
signals can move everywhere there are none; else the gain is an upper bound.)
"""

from __future__ import annotations

from itertools import product

import numpy as np

from mechopt.closedform.pivot.efficient import carried
from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.closedform.virtual.phase import Phase, expected_first
from mechopt.core.numbers import FloatArray

MAX_SWEEPS = 100_000


def direct_gain(pivot: VirtualPivot) -> float:
    """Largest gain of any reporting strategy that never takes back the initial report, whatever the others' types.

    Parameters
    ----------
    pivot : VirtualPivot

    Returns
    -------
    float
        Present value as of contracting; at least 0.
    """
    env, worst = pivot.environment, 0.0
    for report in product(*map(range, env.initial_shape)):
        here = pivot.phase(report)
        for i in range(env.agents):
            fees = pivot.payment(i, report) if i in here.members else ()
            for k in range(env.initial_shape[i]):
                truth = float(pivot.utility[i][tuple(k if j == i else r for j, r in enumerate(report))])
                worth = -float(pivot.upfront[i][report])
                if fees:
                    best = _best(here, i, env.value_tables[i][:, k], fees)
                    worth += expected_first(env, here.members, best)
                worst = max(worst, worth - truth)
    return worst


def _best(here: Phase, i: int, values: FloatArray, fees: tuple[FloatArray, ...]) -> FloatArray:
    """D of the first allocation period; axes: signals of the members."""
    if not here.chains.infinite:
        value: FloatArray | None = None
        for t in reversed(range(here.chains.stages)):
            value = _step(here, i, values, fees[t], value, t)
        assert value is not None
        return value
    value, discount = np.zeros_like(fees[0]), here.chains.discount
    for _ in range(MAX_SWEEPS):  # value iteration, with the bounds of MacQueen
        after = _step(here, i, values, fees[0], value, 0)
        low, high = float((after - value).min()), float((after - value).max())
        value = after
        if (high - low) * discount <= 1e-11 * float(np.abs(value).max()) * (1 - discount):
            break
    return value + discount / (1 - discount) * high


def _step(here: Phase, i: int, values: FloatArray, fee: FloatArray, after: FloatArray | None, t: int) -> FloatArray:
    place = here.members.index(i)
    policy, signals = here.policy[t], values.shape[1]
    action, paid = (np.moveaxis(part, place, 0)[:, np.newaxis] for part in (policy, fee))  # axes: report, 1, others
    others = action.shape[2:]
    worth = values.reshape(len(values), signals, *(1 for _ in others))
    if after is not None:
        worth = worth + here.chains.discount * np.moveaxis(carried(here.chains, here.members, after, t), place + 1, 1)
    worth = np.broadcast_to(worth, (len(values), signals, *others))
    gained = np.take_along_axis(worth, np.broadcast_to(action, (len(action), signals, *others)), axis=0) - paid
    best: FloatArray = np.moveaxis(gained.max(axis=0), 0, place)
    return best
