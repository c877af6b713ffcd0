"""Replay of a counterexample in a mechanism with finitely many states: plain sums, one period after another."""

from __future__ import annotations

from itertools import product
from math import ceil, log
from typing import Any

import numpy as np

from mechopt.mechanism.constraints import DIC, EPIR, PFIR, PPIR, Constraint, MyopicIC

REPLAYED = 1e-10
"""Present value of the periods that a replay leaves out."""


def replayed(constraint: Constraint, agent: int, state: int, true: int | None, report: int | None, m: Any) -> float:
    """Gain of a counterexample in present value; see `StateCounterexample.replay`."""
    d = m.environment.discount
    sweeps = ceil(log(REPLAYED) / log(d))
    entered = constraint.role == "ic" and constraint != MyopicIC()
    weight = d ** max(int((m.entered if entered else m.depth)[state]), 0)
    if constraint in (EPIR(), PFIR(), PPIR()):
        least = {s: 0.0 for s in range(m.states)}
        if constraint == PPIR():
            return float(-weight * _least(m, agent, state, least))
        for _ in range(sweeps):
            least = {s: _least(m, agent, s, least) for s in least}
            if constraint == PFIR():
                least = {s: min(value, 0.0) for s, value in least.items()}
        return -least[state]
    types = m.shape[agent]
    nothing = {(s, k): 0.0 for s in range(m.states) for k in range(types)}
    if constraint == MyopicIC():
        assert true is not None and report is not None
        told, lied = (_outcome(m, agent, state, true, r, nothing) for r in (true, report))
        return float(weight * (lied - told))
    truth = best = nothing
    for _ in range(sweeps):
        truth = {(s, k): _outcome(m, agent, s, k, k, truth) for s, k in truth}
        if constraint.role == "ic" and constraint != DIC():
            best = {
                (s, k): max(_outcome(m, agent, s, k, r, best) for r in range(types) if m.distributions[agent][s, r] > 0)
                for s, k in best
            }
    if constraint.role == "ir":
        assert true is not None
        return float(-weight * truth[state, true])
    assert true is not None and report is not None
    after = truth if constraint == DIC() else best
    return float(weight * (_outcome(m, agent, state, true, report, after) - truth[state, true]))


def _outcome(m: Any, i: int, s: int, k: int, r: int, later: dict[tuple[int, int], float]) -> float:
    """Utility of type k who reports r, with ``later`` from the next period on."""
    env, total = m.environment, 0.0
    for p, profile in enumerate(product(*map(range, m.shape))):
        if profile[i] != r:
            continue
        chance = float(np.prod([m.distributions[j][s, own] for j, own in enumerate(profile) if j != i]))
        for a in range(m.allocation.shape[2]):
            if not chance * m.allocation[s, p, a]:
                continue
            gain = env.values[i][0][a, k] - m.payment[i, s, p, a]
            row = (s * m.allocation.shape[1] + p) * m.allocation.shape[2] + a
            for e in range(m.after.indptr[row], m.after.indptr[row + 1]):
                ahead = sum(c * later[int(m.after.indices[e]), x] for x, c in enumerate(env.kernel[i][0][a, k]))
                gain += m.after.data[e] * (env.discount * ahead - m.extra[i, e])
            total += chance * float(m.allocation[s, p, a]) * float(gain)
    return total


def _least(m: Any, i: int, s: int, later: dict[int, float]) -> float:
    """Least sum from a state on, over possible types, actions that are taken and coins."""
    env, found = m.environment, list[float]()
    for p, profile in enumerate(product(*map(range, m.shape))):
        if any(m.distributions[j][s, own] <= 0 for j, own in enumerate(profile)):
            continue
        for a in np.flatnonzero(m.allocation[s, p]).tolist():
            row = (s * m.allocation.shape[1] + p) * m.allocation.shape[2] + a
            for e in range(m.after.indptr[row], m.after.indptr[row + 1]):
                if m.after.data[e] > 0:
                    flow = env.values[i][0][a, profile[i]] - m.payment[i, s, p, a] - m.extra[i, e]
                    found.append(float(flow) + env.discount * later[int(m.after.indices[e])])
    return min(found)
