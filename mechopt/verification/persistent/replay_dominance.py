"""A misreport of an agent who knows all types and reports, from the definition: all sequences, plain loops."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np


def dominance_gain(walk: Any, t: int, slot: int, k: int, r: int, others: tuple[int, ...]) -> float:
    """Largest gain of reporting r now and anything later, over all paths of her types and of the others' reports."""
    left, worst = range(t + 1, walk.tree.horizon), -np.inf
    environment, agent = walk.mechanism.environment, walk.agent
    own = [range(walk.process.shape[s][agent]) for s in left]
    rest = [list(product(*(range(n) for j, n in enumerate(walk.process.shape[s]) if j != agent))) for s in left]

    def played(told: tuple[int, ...], true: tuple[int, ...], said: tuple[Any, ...]) -> float | None:
        gained, nodes = list[float](), list[int]()
        for n, (report, mine, theirs) in enumerate(zip(told, true, (others, *said), strict=True)):
            here = int(walk.tree.following(t + n - 1)[nodes[-1], 0]) if nodes else slot
            node = walk.node(t + n, here, report, theirs)
            if node < 0:
                return None
            nodes.append(node)
            gained.append(walk.flow(t + n, node, 0, walk.number(t + n, mine, theirs)))
        return sum(gained)

    for later in product(*own):
        path = (k, *later)
        steps = zip(path, later, strict=False)
        if not all(environment.kernel[agent][t + n][0][now, after] > 0 for n, (now, after) in enumerate(steps)):
            continue
        for said in product(*rest):
            honest = played(path, path, said)
            if honest is None:
                continue
            tried = [played((r, *reports), path, said) for reports in product(*own)]
            worst = max([worst, *(value - honest for value in tried if value is not None)])
    return float(worst)
