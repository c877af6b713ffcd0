"""How large contingent transfers are by each method, and what they cost: random environments with both conditions.

Run ``OPENBLAS_NUM_THREADS=1 python -m benchmarks.transfer_sizes``; results: ``benchmarks/RESULTS-transfer-sizes.md``.
Values are uniform on [-1, 1], transition probabilities Dirichlet(1), discount 9/10; environments are those of which
every method has transfers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mechopt.closedform.contingent.last_period import last_period
from mechopt.core.errors import MechoptError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.study.transfer_methods import METHODS, transfer_methods

SHAPES = ((2, 2), (3, 3), (2, 2, 2), (3, 2, 2))
PER_SHAPE = 40


def environment(seed: int, sizes: tuple[int, ...], horizon: int | str) -> InterdependentTypes:
    """Random values and transition probabilities, three actions; the last period's values are private."""
    rng, count = np.random.default_rng(seed), int(np.prod(sizes))
    stages = 1 if horizon == "infinite" else int(horizon)
    values = [rng.uniform(-1, 1, size=(len(sizes), 3, *sizes)) for _ in range(stages)]
    if horizon != "infinite":
        for i in range(len(sizes)):
            shape = [size if j == i else 1 for j, size in enumerate(sizes)]
            values[-1][i] = np.broadcast_to(rng.uniform(-1, 1, size=(3, *shape)), (3, *sizes))
    drawn = [rng.dirichlet(np.ones(count), size=(3, count)) for _ in range(max(stages - 1, 1))]
    kernel = tuple(distribution.reshape(3, *sizes, *sizes) for distribution in drawn)
    initial = rng.dirichlet(np.ones(count)).reshape(sizes)
    return InterdependentTypes(tuple(values), kernel, initial, horizon=horizon, discount=0.9)


def rows(horizon: int | str) -> list[str]:
    """Lines of the table for one horizon."""
    sizes: dict[str, list[float]] = {name: [] for name in METHODS}
    deficits: dict[str, list[float]] = {name: [] for name in METHODS}
    for shape in SHAPES:
        for seed in range(PER_SHAPE):
            env = environment(seed, shape, horizon)
            if horizon != "infinite" and not last_period(env).implementable:
                continue
            found = transfer_methods(env)
            if not all(row.holds for row in found):
                continue
            for row in found:
                assert row.max_abs is not None and row.deficit is not None
                sizes[row.name].append(row.max_abs)
                deficits[row.name].append(row.deficit)
    count = len(sizes["any"])
    if not count:
        raise MechoptError("no environment has transfers by every method")
    lines = []
    for name in METHODS:
        size, deficit = np.array(sizes[name]), np.array(deficits[name])
        lines.append(
            f"| {horizon} | {count} | {name} | {np.median(size):.3g} | {size.max():.3g} | {np.median(deficit):.3g} | "
            f"{deficit.max():.3g} |"
        )
    return lines


def main() -> None:
    """Measure, print and write the table."""
    head = [
        "# Sizes of contingent transfers",
        "",
        "Written by `python -m benchmarks.transfer_sizes`; what is measured stands there. The theorems and",
        "their smallest transfers are what there was before `any`.",
        "",
        "| horizon | environments | method | median of the largest | largest | median deficit | largest deficit |",
        "|---|---|---|---|---|---|---|",
    ]
    text = "\n".join([*head, *(line for horizon in ("infinite", 2) for line in rows(horizon))]) + "\n"
    print(text)
    Path(__file__).with_name("RESULTS-transfer-sizes.md").write_text(text)


if __name__ == "__main__":
    main()
