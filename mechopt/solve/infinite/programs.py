r"""The two programs of a period over points of the next one: mechanisms from below, prices from above.

From below, at a price mu of promises (or at a promise w that is given), with X the allocation times the probability q
of the report, and weights eta of the points (w_p, l_p) of the next period's pool after report r and kernel b,

.. math::
    \max \sum_{r,a} X_{ra} (v_a(r) - c_a) + \sum \eta_{rbp} l_p - \mu w, \qquad
    \sum_a X_{ra} = q_r, \quad \sum_p \eta_{rbp} = d \sum_{a: b} X_{ra},

.. math::
    q_r (w_k - w_r) \ge \sum_a X_{ra} (v_a(k) - v_a(r)) + \sum \eta_{rbp} (P_b(k) - P_b(r)) w_p,

and under EPIR, where utility given at once is not negative, :math:`q_r w_r \ge \sum \eta_{rbp} P_b(r) w_p`. From above
its dual, with the next period's value at a price replaced by a mixture of points (price, height) and of rays.

Points enter as they are needed, which costs no validity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.dual.points import Pool
from mechopt.solve.dual.warm_program import Answer, SmallProgram, WarmProgram
from mechopt.solve.infinite.chain import Chain

MOST = 60
"""Points inside a program, a child, above which those that are not used leave."""
ROUNDS = 100


class Shape(NamedTuple):
    """What both programs of a distribution share.

    Attributes
    ----------
    distribution : float array ``(types,)``
    support : int array ``(reports,)``
    pairs : int array ``(p, 2)``
        True type and report (its number in the support).
    report, kernel, pool : int arrays ``(children,)``
    turn : float array ``(children, p + reports or p, types)``
        From multipliers of a report's rows to the child's price.
    ex_post, root : bool
    """

    distribution: FloatArray
    support: IntArray
    pairs: IntArray
    report: IntArray
    kernel: IntArray
    pool: IntArray
    turn: FloatArray
    ex_post: bool
    root: bool

    @property
    def own(self) -> FloatArray:
        """Probabilities of the reports."""
        return self.distribution[self.support]


def shape_of(chain: Chain, number: int, ex_post: bool) -> Shape:
    """What the programs of one of the chain's distributions are about."""
    distribution, types, kernels = chain.distributions[number], chain.values.shape[1], len(chain.kernels)
    support = np.flatnonzero(distribution)
    mixed = [(k, r) for r, own in enumerate(support.tolist()) for k in range(types) if k != own]
    pairs = np.array(mixed, dtype=np.int64).reshape(-1, 2)
    report, kernel = np.repeat(np.arange(len(support)), kernels), np.tile(np.arange(kernels), len(support))
    turn = np.zeros((len(report), len(pairs) + (len(support) if ex_post else 0), types))
    for m, (r, b) in enumerate(zip(report.tolist(), kernel.tolist(), strict=True)):
        mine = np.flatnonzero(pairs[:, 1] == r)
        turn[m, mine] = chain.kernels[b, pairs[mine, 0]] - chain.kernels[b, support[r]]
        if ex_post:
            turn[m, len(pairs) + r] = chain.kernels[b, support[r]]
    return Shape(
        distribution,
        support,
        pairs,
        report,
        kernel,
        chain.place[kernel, support[report]],
        turn,
        ex_post,
        number == chain.root,
    )


class Step(NamedTuple):
    """One period: value of the program, prices of the children, and the rest of the solution.

    Attributes
    ----------
    value : float
    prices : float array ``(children, types)``
    promise : float array ``(types,)``
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


class _Program(ABC):
    """Points of the children's pools that are inside a warm program."""

    def __init__(self, shape: Shape, pools: list[Pool], program: SmallProgram) -> None:
        self.shape, self.pools, self.program = shape, [pools[j] for j in shape.pool], program
        self.first = len(program.cost)
        self.build([])

    @abstractmethod
    def always(self) -> list[tuple[int, int]]:
        """Points that never leave: (child, point)."""

    @abstractmethod
    def column(self, m: int, point: int) -> tuple[float, IntArray, FloatArray]:
        """Cost, rows and entries of a point's column."""

    def build(self, points: list[tuple[int, int]]) -> None:
        """Begin anew with these points and those that are always there, at the heights that they have now."""
        self.lp, self.order = WarmProgram(self.program), list[tuple[int, int]]()
        self.inside: set[tuple[int, int]] = set()
        for m, point in [*self.always(), *points]:
            self.add(m, point)

    def again(self) -> None:
        """Begin anew with the same points, whose heights have changed."""
        self.build(list(self.order))

    def add(self, m: int, point: int) -> None:
        if (m, point) not in self.inside:
            self.lp.add_column(*self.column(m, point))
            self.inside.add((m, point))
            self.order.append((m, point))

    def used(self, answer: Answer) -> list[tuple[int, int, float]]:
        weights = answer.columns[self.first :]
        return [(*self.order[at], float(weights[at])) for at in np.flatnonzero(weights > 1e-12).tolist()]

    def slim(self, answer: Answer) -> None:
        if len(self.order) > MOST * len(self.shape.report):
            self.build([(m, point) for m, point, _ in self.used(answer)])


class Below(_Program):
    """A period's program over mechanisms."""

    def __init__(self, chain: Chain, shape: Shape, pools: list[Pool]) -> None:
        self.actions = len(chain.values)
        self.starts = len(chain.starts)
        support, pairs, types = shape.support, shape.pairs, len(shape.distribution)
        reports, children, a = len(support), len(shape.report), self.actions
        width = reports * a + types
        at = reports + children
        rows = np.zeros((at + shape.turn.shape[1], width))
        for r, own in enumerate(support.tolist()):
            rows[r, r * a : (r + 1) * a] = 1.0
            for b in range(len(chain.kernels)):
                rows[reports + r * len(chain.kernels) + b, r * a + np.flatnonzero(chain.moves == b)] = -chain.discount
            mine = at + np.flatnonzero(pairs[:, 1] == r)
            rows[mine, r * a : (r + 1) * a] = -(chain.values[:, pairs[mine - at, 0]] - chain.values[:, [own]]).T
            rows[mine, reports * a + pairs[mine - at, 0]] += shape.distribution[own]
            rows[mine, reports * a + own] -= shape.distribution[own]
            if shape.ex_post:
                rows[at + len(pairs) + r, reports * a + own] = shape.distribution[own]
        self.promise = reports * a + np.arange(types)
        cost, lower = np.zeros(width), np.zeros(width)
        cost[: reports * a] = -chain.net[:, support].T.ravel()
        upper = np.full(len(rows), np.inf)
        level = np.zeros(len(rows))
        level[:reports] = upper[:reports] = shape.distribution[support]
        upper[reports:at] = 0.0
        if not (shape.root and not shape.ex_post):
            lower[self.promise] = -np.inf
        self.rows = reports + np.arange(children), at + np.arange(shape.turn.shape[1])
        super().__init__(shape, pools, SmallProgram(cost, lower, rows, level, upper))

    def always(self) -> list[tuple[int, int]]:
        """The mechanisms to begin with."""
        return [(m, point) for m in range(len(self.shape.report)) for point in range(self.starts)]

    def column(self, m: int, point: int) -> tuple[float, IntArray, FloatArray]:
        """A mechanism of the next period."""
        pool = self.pools[m]
        entries = -(self.shape.turn[m] @ pool.points[point])
        kept = np.flatnonzero(entries)
        index: IntArray = np.append(self.rows[0][m], self.rows[1][kept]).astype(np.int32)
        return -float(pool.heights[point]), index, np.append(1.0, entries[kept])

    def at_price(self, price: FloatArray) -> Step | None:
        """The best mechanism at a price of promises."""
        types = len(price)
        lower = np.full(types, 0.0 if self.shape.root and not self.shape.ex_post else -np.inf)
        upper = np.full(types, np.inf)
        if not self.shape.ex_post and not self.shape.root:
            lower[-1] = upper[-1] = 0.0
        self.lp.set_columns(self.promise, price, lower, upper)
        return self._solve()

    def at_promise(self, promise: FloatArray) -> Step | None:
        """The best mechanism that gives this promise."""
        self.lp.set_columns(self.promise, np.zeros(len(promise)), promise, promise)
        return self._solve()

    def _solve(self) -> Step | None:
        shape, answer, prices = self.shape, None, np.zeros(0)
        for _ in range(ROUNDS):
            answer = self.lp.solve(primal=True)
            if answer is None:
                return None
            level, duals = answer.rows[self.rows[0]], answer.rows[self.rows[1]]
            prices, added = np.einsum("p,mpk->mk", duals, shape.turn), False
            for m, pool in enumerate(self.pools):
                slack = prices[m] @ pool.points.T - pool.heights - level[m]
                best = int(slack.argmin())
                if slack[best] < -1e-10 and (m, best) not in self.inside:
                    self.add(m, best)
                    added = True
            if not added:
                break
        assert answer is not None
        used = self.used(answer)
        child, point, weight = (np.array([entry[i] for entry in used]) for i in range(3))
        allocation = answer.columns[: len(shape.support) * self.actions].reshape(-1, self.actions)
        step = Step(
            -answer.value,
            prices,
            answer.columns[self.promise],
            allocation,
            child.astype(int),
            point.astype(int),
            weight,
        )
        self.slim(answer)
        return step


class Above(_Program):
    """A period's program over prices."""

    def __init__(
        self, chain: Chain, shape: Shape, pools: list[Pool], rays: list[tuple[FloatArray, FloatArray]]
    ) -> None:
        self.rays = [rays[j] for j in shape.pool]
        self.discount = chain.discount
        support, pairs, types = shape.support, shape.pairs, len(shape.distribution)
        reports, children, actions = len(support), len(shape.report), len(chain.values)
        count = shape.turn.shape[1]
        free = shape.root and not shape.ex_post
        extra = types if free else 0
        self.coordinates = types if shape.ex_post else types - 1
        ahead = count + extra + reports
        width = ahead + children
        flow = np.zeros((types, width))
        for p, (k, r) in enumerate(pairs.tolist()):
            flow[k, p] += shape.distribution[support[r]]
            flow[support[r], p] -= shape.distribution[support[r]]
        if shape.ex_post:
            flow[support, len(pairs) + np.arange(reports)] = shape.distribution[support]
        elif free:
            flow[:, count : count + types] = np.eye(types)
        else:
            flow = flow[:-1]
        act = np.zeros((reports, actions, width))
        net = chain.net[:, support].T
        for r, own in enumerate(support.tolist()):
            mine = np.flatnonzero(pairs[:, 1] == r)
            act[r][:, mine] = chain.values[:, pairs[mine, 0]] - chain.values[:, [own]]
            act[r, :, count + extra + r] = 1.0
            act[r, np.arange(actions), ahead + r * len(chain.kernels) + chain.moves] = -chain.discount
        blocks = np.zeros((children, self.coordinates + 2, width))
        blocks[:, : self.coordinates, :count] = -shape.turn.transpose(0, 2, 1)[:, : self.coordinates]
        blocks[np.arange(children), -1, ahead + np.arange(children)] = 1.0
        sides = np.zeros((children, self.coordinates + 2))
        sides[:, -2] = 1.0
        ends = sides.copy()
        ends[:, -1] = np.inf
        self.act = act[:, :, :count]
        self.net = net
        self.count = count
        at = len(flow) + reports * actions
        self.rows = at + np.arange(sides.size).reshape(sides.shape)
        self.flow = np.arange(len(flow), dtype=np.int32)
        cost, lower = np.zeros(width), np.zeros(width)
        cost[count + extra : ahead] = shape.distribution[support]
        lower[count + extra :] = -np.inf
        program = SmallProgram(
            cost,
            lower,
            np.concatenate([flow, act.reshape(-1, width), blocks.reshape(-1, width)]),
            np.concatenate([np.zeros(len(flow)), net.ravel(), sides.ravel()]),
            np.concatenate([np.zeros(len(flow)), np.full(net.size, np.inf), ends.ravel()]),
        )
        super().__init__(shape, pools, program)

    def always(self) -> list[tuple[int, int]]:
        """The rays, counted down from -1, and price 0."""
        rays = [(m, -1 - ray) for m, (directions, _) in enumerate(self.rays) for ray in range(len(directions))]
        return [*rays, *((m, 0) for m in range(len(self.pools)))]

    def column(self, m: int, point: int) -> tuple[float, IntArray, FloatArray]:
        """A price of the next period, or a ray."""
        if point < 0:
            place, share, height = self.rays[m][0][-1 - point], 0.0, float(self.rays[m][1][-1 - point])
        else:
            place, share, height = self.pools[m].points[point], 1.0, float(self.pools[m].heights[point])
        entries = np.append(place[: self.coordinates], [share, -height])
        kept = np.flatnonzero(entries)
        return 0.0, self.rows[m][kept].astype(np.int32), entries[kept]

    def at_price(self, price: FloatArray) -> Step | None:
        """An upper bound at a price of promises."""
        self.lp.set_rows(self.flow, price[: len(self.flow)])
        answer = None
        for _ in range(ROUNDS):
            answer = self.lp.solve(primal=True)
            if answer is None:
                return None
            duals, added = answer.rows[self.rows], False
            for m, pool in enumerate(self.pools):
                slack = duals[m, -1] * pool.heights - pool.points[:, : self.coordinates] @ duals[m, :-2] - duals[m, -2]
                best = int(slack.argmin())
                if slack[best] < -1e-10 and (m, best) not in self.inside:
                    self.add(m, best)
                    added = True
            if not added:
                break
        assert answer is not None
        used = self.used(answer)
        child, point, weight = (np.array([entry[i] for entry in used]) for i in range(3))
        multipliers = answer.columns[: self.count]
        gain = self.net - self.act @ multipliers
        prices = np.einsum("p,mpk->mk", multipliers, self.shape.turn)
        step = Step(answer.value, prices, price, gain, child.astype(int), point.astype(int), weight)
        self.slim(answer)
        return step
