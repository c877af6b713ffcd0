"""Measure algorithms on programs where types persist: ``python -m benchmarks.programs [--long]``.

Each algorithm of HiGHS solves the same program, cold, one thread; processor seconds of the solve alone, our judgement
of the answer included. What `auto` takes is `mechopt.solve.program`'s choice by shape.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import mechopt as mo
from benchmarks.run import machine, markdown_table
from mechopt.lp.build import compile_program
from mechopt.solve.highs import solve_program
from mechopt.solve.program import _by_shape

ALGORITHMS = ("simplex", "primal", "ipx")
AGENTS = ((2, 3, 3, "interim"), (2, 5, 2, "interim"), (2, 3, 3, "epir"), (3, 2, 3, "interim"))
ONE = ((5, 5, "epir"), (4, 6, "epir"), (7, 4, "epir"), (5, 5, "interim"))
LONG = ((10, 4, "epir"),)


def distribution(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Distributions over the last axis."""
    weights = rng.integers(1, 9, size=shape).astype(float)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def several(agents: int, types: int, horizon: int, seed: int = 1) -> mo.InterdependentTypes:
    """One item, correlated signals, values of all signals, drawn at random."""
    rng, profiles, shape = np.random.default_rng(seed), types**agents, (types,) * agents
    values = []
    for i in range(agents):
        worth = np.zeros((agents + 1, *shape))
        worth[i + 1] = rng.integers(0, 9, size=shape)
        values.append(worth)
    kernel = distribution(rng, profiles, profiles).reshape(1, *shape, *shape)
    initial = distribution(rng, profiles).reshape(shape)
    return mo.InterdependentTypes(values, np.repeat(kernel, agents + 1, axis=0), initial, horizon=horizon)


def one(types: int, horizon: int, seed: int = 1) -> mo.MarkovTypes:
    """One item a period, values 1 to K, a kernel drawn at random."""
    rng = np.random.default_rng(seed)
    values = [[0] * types, list(range(1, types + 1))]
    return mo.MarkovTypes([values], [distribution(rng, types, types)], [distribution(rng, types)], horizon=horizon)


def row(name: str, problem: mo.Problem, ir: str) -> list[str]:
    """Seconds of each algorithm, and which one is taken."""
    program, _ = compile_program(problem.plan)
    cells = []
    for algorithm in ALGORITHMS:
        begun = time.process_time()
        found = solve_program(program, algorithm)
        cells.append(f"{time.process_time() - begun:.3g}{'' if found.status == 'optimal' else f' ({found.status})'}")
    rows, columns, nonzeros = program.size
    return [name, ir, f"{rows:,}", f"{columns:,}", f"{nonzeros:,}", *cells, _by_shape(problem.plan)]


def main() -> None:
    """Measure and write benchmarks/RESULTS-programs.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="10 types and 4 periods as well: minutes")
    parser.add_argument("--output", default=str(Path(__file__).parent / "RESULTS-programs.md"))
    options = parser.parse_args()
    table = [row(f"n={n}, K={k}, T={t}", mo.Problem(several(n, k, t), ir=ir), ir) for n, k, t, ir in AGENTS]
    for k, t, ir in (*ONE, *(LONG if options.long else ())):
        table.append(row(f"n=1, K={k}, T={t}", mo.Problem(one(k, t), ir=ir), ir))
    head = [
        "instance",
        "participation",
        "rows",
        "columns",
        "non-zeros",
        "dual simplex",
        "primal simplex",
        "ipx",
        "auto",
    ]
    text = f"# Algorithms for programs where types persist\n\n{__doc__.split(chr(10), 2)[2].strip()}\n\n"
    lines = [*(line for line in machine() if not line.startswith("- HiGHS")), "", *markdown_table(head, table)]
    Path(options.output).write_text(text + "\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
