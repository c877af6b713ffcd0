"""Common part of the two programs of a period, and their answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.infinite.promises.chain import Chain


class Shape(NamedTuple):
    """Data that both programs of a state share.

    Rows are those of incentives, one for each of ``pairs``, and under ex post participation one for each of
    ``tellers``. A child is a profile of reports and a kernel. Promises and prices have the axis ``width``: all agents'
    types, one agent after another.

    Attributes
    ----------
    distributions : tuple over agents of float arrays ``(types,)``
    support : int array ``(reports,)``
        Profiles that are possible.
    chance : float array ``(reports,)``
        Their probabilities.
    pairs : int array ``(p, 3)``
        Agent, true type and report.
    tellers : int array ``(m, 2)``
        Agent and report; none where participation is interim.
    report, kernel, pool : int arrays ``(children,)``
        The report's number in the support.
    turn : float array ``(children, rows, width)``
        From multipliers of rows to the child's price.
    root : bool
    """

    distributions: tuple[FloatArray, ...]
    support: IntArray
    chance: FloatArray
    pairs: IntArray
    tellers: IntArray
    report: IntArray
    kernel: IntArray
    pool: IntArray
    turn: FloatArray
    root: bool

    @property
    def ex_post(self) -> bool:
        """Whether participation is asked for on paths."""
        return len(self.tellers) > 0

    def of_pair(self, chain: Chain, p: int) -> tuple[int, int, int, IntArray, float]:
        """Places of the true type and the report in a promise, agent, numbers of the profiles, the report's chance."""
        i, k, r = self.pairs[p].tolist()
        said = np.flatnonzero(chain.own[i, self.support] == r)
        return int(chain.offset[i]) + k, int(chain.offset[i]) + r, i, said, float(self.distributions[i][r])

    def of_teller(self, chain: Chain, m: int) -> tuple[int, IntArray, float]:
        """Place of the type in a promise, numbers of the profiles, the type's chance."""
        i, r = self.tellers[m].tolist()
        said = np.flatnonzero(chain.own[i, self.support] == r)
        return int(chain.offset[i]) + r, said, float(self.distributions[i][r])


def shape_of(chain: Chain, number: int, ex_post: bool) -> Shape:
    """Data of the programs of one of the chain's states."""
    distributions, chance, kernels = chain.distributions[number], chain.chances[number], len(chain.parts)
    support = np.flatnonzero(chance)
    told = [(i, r) for i, q in enumerate(distributions) for r in np.flatnonzero(q).tolist()]
    mixed = [(i, k, r) for i, r in told for k in range(chain.shape[i]) if k != r]
    pairs = np.array(mixed, dtype=np.int64).reshape(-1, 3)
    tellers = np.array(told if ex_post else [], dtype=np.int64).reshape(-1, 2)
    report, kernel = np.repeat(np.arange(len(support)), kernels), np.tile(np.arange(kernels), len(support))
    turn = np.zeros((len(report), len(pairs) + len(tellers), int(chain.offset[-1])))
    for m, (r, b) in enumerate(zip(support[report].tolist(), kernel.tolist(), strict=True)):
        for i, own in enumerate(chain.own[:, r].tolist()):
            here = slice(int(chain.offset[i]), int(chain.offset[i + 1]))
            moves = chain.kernels[i][chain.parts[b, i]]
            mine = np.flatnonzero((pairs[:, 0] == i) & (pairs[:, 2] == own))
            turn[m, mine, here] = moves[pairs[mine, 1]] - moves[own]
            if ex_post:
                telling = np.flatnonzero((tellers[:, 0] == i) & (tellers[:, 1] == own))
                turn[m, len(pairs) + telling, here] = moves[own]
    return Shape(
        distributions=distributions,
        support=support,
        chance=chance[support],
        pairs=pairs,
        tellers=tellers,
        report=report,
        kernel=kernel,
        pool=chain.place[kernel, support[report]],
        turn=turn,
        root=number == chain.root,
    )


class Step(NamedTuple):
    """One period: value of the program, prices of the children, and the rest of the solution.

    Attributes
    ----------
    value : float
    prices : float array ``(children, width)``
    promise : float array ``(width,)``
        From below; the price from above.
    allocation : float array ``(reports, actions)``
        Times the probability of the report, from below; from above the gain of an action in this period.
    child, point, weight : arrays
        Mixture of points of the children; negative points are rays.
    """

    value: float
    prices: FloatArray
    promise: FloatArray
    allocation: FloatArray
    child: IntArray
    point: IntArray
    weight: FloatArray
