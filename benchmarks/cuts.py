"""Dual dynamic programming: time to a bracket, and against the history linear program where that still fits.

``python -m benchmarks.cuts`` prints a table; ``python -m benchmarks.cuts quick`` leaves out the long ones. One process,
one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from fractions import Fraction

import mechopt as mo
from mechopt.solve.dual.optimum import DualOptimum, dual_optimum

TWO, THREE = ([1, 3], ["3/5", "2/5"]), ([1, 2, 4], ["3/10", "2/5", "3/10"])


def sticky(values: list[int], stay: str, periods: int) -> mo.MarkovTypes:
    """One agent whose type stays with a probability and moves to each other type with another."""
    count = len(values)
    away = (1 - Fraction(stay)) / (count - 1)
    kernel = [[Fraction(stay) if k == after else away for after in range(count)] for k in range(count)]
    first = [Fraction(1, count + 1)] * (count - 1) + [Fraction(2, count + 1)]
    return mo.MarkovTypes([[[0] * count, values]], [kernel], [first], horizon=periods)


def buyers(
    distribution: tuple[list[int], list[str]], count: int, periods: int, target: float
) -> Callable[[], DualOptimum]:
    """Buyers with one distribution of types in every period."""
    return lambda: dual_optimum(mo.IndependentTypes.iid(*distribution, periods, agents=count), target=target)


def agent(ir: mo.results.Constraint, types: int, periods: int, target: float) -> Callable[[], DualOptimum]:
    """One agent with values 1, 2, 4, ... that stay with probability 7/10."""
    return lambda: dual_optimum(sticky([2**k for k in range(types)], "7/10", periods), ir=ir, target=target)


BRACKETS: dict[str, tuple[Callable[[], DualOptimum], float, float]] = {
    "2 buyers, 3 types, T=5, EPIR": (buyers(THREE, 2, 5, 1e-4), 1e-4, 4.0),
    "3 buyers, 2 types, T=5, EPIR": (buyers(TWO, 3, 5, 1e-4), 1e-4, 4.0),
    "1 agent, 3 types, T=20, interim": (agent(mo.Interim(), 3, 20, 1e-5), 1e-5, 2.0),
    "1 agent, 3 types, T=100, interim": (agent(mo.Interim(), 3, 100, 1e-4), 1e-4, 10.0),
    "1 agent, 3 types, T=10, EPIR": (agent(mo.EPIR(), 3, 10, 1e-4), 1e-4, 10.0),
}
LONG: dict[str, tuple[Callable[[], DualOptimum], float, float]] = {
    "2 buyers, 2 types, T=10, EPIR": (buyers(TWO, 2, 10, 1e-4), 1e-4, 15.0),
    "2 buyers, 3 types, T=10, EPIR": (buyers(THREE, 2, 10, 3e-3), 3e-3, 20.0),
    "1 agent, 3 types, T=20, EPIR": (agent(mo.EPIR(), 3, 20, 5e-3), 5e-3, 60.0),
}


def main() -> None:
    """Print both tables."""
    cases = BRACKETS if sys.argv[1:] == ["quick"] else BRACKETS | LONG
    print(f"{'problem':36}{'bracket':>10}{'seconds':>10}{'target s':>10}{'ratio':>8}{'visits':>8}")
    for name, (solve, target, seconds) in cases.items():
        found = solve()
        width = (found.bound.upper - found.bound.lower) / found.bound.upper
        print(
            f"{name:36}{width:10.1e}{found.seconds:10.2f}{seconds:10.0f}{found.seconds / seconds:8.2f}{found.visits:8}"
        )
        if width > 1.001 * target:
            print(f"{'':36}the bracket is wider than {target:g}")
    print(f"\n{'against the history program':36}{'program s':>10}{'here s':>10}{'ratio':>8}")
    for distribution, count, periods in ((TWO, 2, 4), (TWO, 2, 5), (THREE, 2, 3), (TWO, 3, 3)):
        env = mo.IndependentTypes.iid(*distribution, periods, agents=count)
        begun = time.perf_counter()
        program = mo.optimum(env, method="simplex")
        middle = time.perf_counter()
        found = dual_optimum(env, target=1e-6)
        seconds, name = (
            time.perf_counter() - middle,
            f"{count} buyers, {len(distribution[0])} types, T={periods}, to 1e-6",
        )
        print(f"{name:36}{middle - begun:10.3f}{seconds:10.3f}{(middle - begun) / seconds:8.2f}")
        if not found.bound.lower - 1e-9 <= program.value <= found.bound.upper + 1e-9:
            print(f"{'':36}the bracket does not hold the program's value {program.value:.9g}")


if __name__ == "__main__":
    main()
