"""Contingent transfers, batched, against one matrix at a time with scipy.

Run ``OPENBLAS_NUM_THREADS=1 python -m benchmarks.transfers``: threads only cost time on matrices this small.

The same conditions and transfers of both theorems, in one process and one run: distances to hulls by ``scipy.optimize.
nnls`` for each column, singular values by ``scipy.linalg.svdvals`` and least-norm transfers by ``scipy.linalg.lstsq``
for each matrix. Both have to agree. Results go to ``benchmarks/RESULTS-transfers.md``.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy.linalg import lstsq, svdvals
from scipy.optimize import nnls

from mechopt.closedform.contingent.conditions.spanning import convex_independence, matrices, spanning
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.environment.interdependent import InterdependentTypes

INSTANCES = {
    "2 agents, 6 signals, 4 actions": (2, 6, 4),
    "3 agents, 6 signals, 4 actions": (3, 6, 4),
    "3 agents, 12 signals, 6 actions": (3, 12, 6),
}
"""Agents, signals of each, actions; infinite horizon, discount 9/10."""


def environment(agents: int, signals: int, actions: int, seed: int = 0) -> InterdependentTypes:
    """Uniform random values and laws."""
    rng, shape = np.random.default_rng(seed), (signals,) * agents
    kernel = rng.random((actions, signals**agents, signals**agents))
    kernel /= kernel.sum(axis=2, keepdims=True)
    values = rng.random((agents, actions, *shape))
    initial = np.full(shape, 1 / signals**agents)
    return InterdependentTypes(values, kernel.reshape(actions, *shape, *shape), initial, discount=0.9)


def batched(env: InterdependentTypes) -> tuple[float, float, Any]:
    """Smallest distance, smallest singular value, transfers of Theorems 3.1 and 3.2."""
    hull, span = convex_independence(env), spanning(env)
    found = contingent_transfers(env, "convex"), contingent_transfers(env, "spanning")
    return hull.distance, span.smallest_singular_value, found[1].payments[0]


def one_by_one(env: InterdependentTypes) -> tuple[float, float, Any]:
    """The same in a Python loop."""
    best = efficient_joint(env)
    smallest, least, payments = np.inf, np.inf, []
    for i in range(env.agents):
        every = matrices(env, 0, i)
        every = every.reshape(len(every), -1, *every.shape[-2:])
        wanted = by_own_signal(target(env, i, 0, best.welfare, best.welfare), i)
        rows, columns = every.shape[-2:]
        contingent = np.zeros((*every.shape[:2], columns, rows))
        free = np.zeros(every.shape[:3])
        for a in range(every.shape[0]):
            for s in range(every.shape[1]):
                matrix = every[a, s]
                least = min(least, float(svdvals(matrix)[-1]))
                free[a, s] = lstsq(matrix.T, wanted[a, s])[0]
                for k in range(columns):
                    sides = np.delete(matrix, k, axis=1) - matrix[:, [k]]
                    weights, _ = nnls(np.vstack([sides, np.ones(columns - 1)]), np.append(np.zeros(rows), 1.0))
                    nearest = -sides @ (weights / weights.sum())
                    distance = float(np.linalg.norm(nearest))
                    smallest = min(smallest, distance)
                    z = nearest / distance
                    apart = z @ matrix[:, k] - z @ matrix
                    apart[k] = 1.0
                    slope = max(0.0, float(((wanted[a, s] - wanted[a, s, k]) / apart).max()))
                    contingent[a, s, k] = wanted[a, s, k] + slope * (z @ matrix[:, k] - z)
        payments.append(free)
    return smallest, least, payments


def timed(work: Callable[[], Any], repeat: int = 1) -> tuple[float, float, Any]:
    """Seconds by the clock and of the processor, least of some runs, and the result."""
    clock, processor = [], []
    for _ in range(repeat):
        begun = time.perf_counter(), time.process_time()
        found = work()
        clock.append(time.perf_counter() - begun[0])
        processor.append(time.process_time() - begun[1])
    return min(clock), min(processor), found


def row(name: str, size: tuple[int, int, int]) -> str:
    """One line of the table."""
    agents, signals, actions = size
    env = environment(*size)
    systems = agents * actions * signals ** (agents - 1)
    fast, fast_cpu, found = timed(lambda: batched(env), 3)
    slow, slow_cpu, checked = timed(lambda: one_by_one(env))
    np.testing.assert_allclose(found[:2], checked[:2], rtol=1e-8)
    policy = efficient_joint(env).policy[0]
    for i, (ours, theirs) in enumerate(zip(found[2], checked[2], strict=True)):
        others = np.moveaxis(policy, i, -1).reshape(-1, signals)
        for s, reached in enumerate(others):
            for a in set(reached.tolist()):
                own = ours.reshape(actions, len(others), -1)[a, s]
                np.testing.assert_allclose(own, theirs[a, s], rtol=1e-6, atol=1e-8 * np.abs(own).max())
    one, one_cpu, _ = timed(lambda: (convex_independence(env), contingent_transfers(env, "convex")), 3)
    times = f"{one:.2f} ({one_cpu:.2f}) | {fast:.2f} ({fast_cpu:.2f}) | {slow:.2f} ({slow_cpu:.2f}) | "
    times += f"{slow_cpu / fast_cpu:.1f}"
    return f"| {name} | {systems:,} | {systems * signals:,} | {times} |"


def main() -> None:
    """Run all instances and write the table."""
    lines = [
        "# Contingent transfers: batched, and one matrix at a time",
        "",
        "Conditions and the transfers of Theorems 3.1 and 3.2, infinite horizon, efficient policy included. The loop "
        "does less: it measures each condition once, the batched run twice (for the report and for the transfers), and "
        "it solves for the efficient policy once instead of twice.",
        "",
        "Seconds by the clock, in brackets of the processor (of all threads), least of 3 runs (the loop: 1).",
        "",
        "| instance | matrices | columns | Theorem 3.1 alone | batched, all | loop with scipy, all | processor ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(row(name, size) for name, size in INSTANCES.items()),
        "",
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"{os.cpu_count()} cores, one process, OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'unset')}. "
        "`OPENBLAS_NUM_THREADS=1 python -m benchmarks.transfers` writes this file.",
        "",
    ]
    Path(__file__).with_name("RESULTS-transfers.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
