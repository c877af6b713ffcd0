r"""The two programs of a period over points of the next one: mechanisms from below, prices from above.

From below, at a price mu of promises (or at a promise w that is given), with X the allocation times the probability q
of a profile m of reports, and weights eta of the points (w_p, l_p) of the next period's pool after m and kernel b,

.. math::
    \max \sum_{m,a} X_{ma} (v_a(m) - c_a) + \sum \eta_{mbp} l_p - \mu w, \qquad
    \sum_a X_{ma} = q_m, \quad \sum_p \eta_{mbp} = d \sum_{a: b} X_{ma},

and for each agent, true type k and report r, with sums over the profiles in which she reports r,

.. math::
    q_r (w_k - w_r) \ge \sum_{m, a} X_{ma} (v_a(k) - v_a(r)) + \sum \eta_{mbp} (P_b(k) - P_b(r)) w_p,

and under EPIR, where utility given at once is not negative, :math:`q_r w_r \ge \sum \eta_{mbp} P_b(r) w_p`. From above
its dual, with the next period's value at a price replaced by a mixture of points (price, height) and of rays.

Points enter as they are needed, which costs no validity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.dual.points import Pool
from mechopt.solve.dual.warm_program import Answer, SmallProgram, WarmProgram
from mechopt.solve.infinite.promises.chain import Chain
from mechopt.solve.infinite.promises.shape import Shape, Step

MOST = 60
"""Points inside a program, a child, above which those that are not used leave."""
ROUNDS = 100


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

    @abstractmethod
    def slack(self, answer: Answer, m: int) -> FloatArray:
        """Reduced cost of each point of child m; below 0 where it belongs inside."""

    def settled(self) -> Answer | None:
        """The answer when no point outside would change it, or after so many rounds; None without an optimum.

        Every answer bounds from its side: with fewer points the lower program is lower and the upper one higher.
        """
        answer = self.lp.solve(primal=True)
        for _ in range(ROUNDS - 1):
            if answer is None:
                return None
            before = len(self.order)
            for m in range(len(self.pools)):
                slack = self.slack(answer, m)
                best = int(slack.argmin())
                if slack[best] < -1e-10:
                    self.add(m, best)
            if len(self.order) == before:
                break
            answer = self.lp.solve(primal=True)
        return answer

    def used(self, answer: Answer) -> tuple[IntArray, IntArray, FloatArray]:
        """Child, point and weight of each point in use."""
        weights = answer.columns[self.first :]
        at = np.flatnonzero(weights > 1e-12)
        child, point = np.array([self.order[k] for k in at.tolist()], dtype=np.int64).reshape(-1, 2).T
        return child, point, weights[at]

    def slim(self, answer: Answer) -> None:
        if len(self.order) > MOST * len(self.shape.report):
            child, point, _ = self.used(answer)
            self.build(list(zip(child.tolist(), point.tolist(), strict=True)))


class Below(_Program):
    """A period's program over mechanisms."""

    def __init__(self, chain: Chain, shape: Shape, pools: list[Pool]) -> None:
        self.actions, self.starts = len(chain.net), len(chain.starts)
        self.last = chain.offset[1:] - 1
        reports, children, a = len(shape.support), len(shape.report), self.actions
        kernels, promised = len(chain.parts), reports * a
        at = reports + children
        rows = np.zeros((at + shape.turn.shape[1], promised + int(chain.offset[-1])))
        for m in range(reports):
            rows[m, m * a : (m + 1) * a] = 1.0
            for b in range(kernels):
                rows[reports + m * kernels + b, m * a + np.flatnonzero(chain.moves == b)] = -chain.discount
        for p in range(len(shape.pairs)):
            true, told, i, said, chance = shape.of_pair(chain, p)
            more = chain.values[i][:, shape.pairs[p, 1]] - chain.values[i][:, shape.pairs[p, 2]]
            rows[at + p, (said[:, None] * a + np.arange(a)).ravel()] = -np.tile(more, len(said))
            rows[at + p, promised + true], rows[at + p, promised + told] = chance, -chance
        for m in range(len(shape.tellers)):
            told, _, chance = shape.of_teller(chain, m)
            rows[at + len(shape.pairs) + m, promised + told] = chance
        self.promise = np.arange(promised, rows.shape[1])
        cost, lower = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        cost[:promised] = -chain.net[:, shape.support].T.ravel()
        upper, level = np.full(len(rows), np.inf), np.zeros(len(rows))
        level[:reports] = upper[:reports] = shape.chance
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

    def slack(self, answer: Answer, m: int) -> FloatArray:
        """Price of each mechanism of child m less its height, and less the level that is paid already."""
        pool, price = self.pools[m], answer.rows[self.rows[1]] @ self.shape.turn[m]
        return np.asarray(pool.points @ price - pool.heights - answer.rows[self.rows[0][m]])

    def at_price(self, price: FloatArray) -> Step | None:
        """The best mechanism at a price of promises."""
        lower = np.full(len(price), 0.0 if self.shape.root and not self.shape.ex_post else -np.inf)
        upper = np.full(len(price), np.inf)
        if not self.shape.ex_post and not self.shape.root:
            lower[self.last] = upper[self.last] = 0.0
        self.lp.set_columns(self.promise, price, lower, upper)
        return self._solve()

    def at_promise(self, promise: FloatArray) -> Step | None:
        """The best mechanism that gives this promise."""
        self.lp.set_columns(self.promise, np.zeros(len(promise)), promise, promise)
        return self._solve()

    def _solve(self) -> Step | None:
        shape, answer = self.shape, self.settled()
        if answer is None:
            return None
        prices = np.einsum("p,mpk->mk", answer.rows[self.rows[1]], shape.turn)
        allocation = answer.columns[: len(shape.support) * self.actions].reshape(-1, self.actions)
        step = Step(-answer.value, prices, answer.columns[self.promise], allocation, *self.used(answer))
        self.slim(answer)
        return step


class Above(_Program):
    """A period's program over prices."""

    def __init__(
        self, chain: Chain, shape: Shape, pools: list[Pool], rays: list[tuple[FloatArray, FloatArray]]
    ) -> None:
        self.rays = [rays[j] for j in shape.pool]
        self.discount = chain.discount
        reports, children, actions = len(shape.support), len(shape.report), len(chain.net)
        count, types = shape.turn.shape[1], int(chain.offset[-1])
        free = shape.root and not shape.ex_post
        extra = types if free else 0
        self.kept = np.arange(types) if shape.ex_post else chain.all_but_last
        size, ahead = len(self.kept), count + extra + reports
        width = ahead + children
        flow, act, net = np.zeros((types, width)), np.zeros((reports, actions, width)), chain.net[:, shape.support].T
        for p in range(len(shape.pairs)):
            true, told, i, said, chance = shape.of_pair(chain, p)
            flow[true, p] += chance
            flow[told, p] -= chance
            act[said, :, p] = chain.values[i][:, shape.pairs[p, 1]] - chain.values[i][:, shape.pairs[p, 2]]
        for m in range(len(shape.tellers)):
            told, _, chance = shape.of_teller(chain, m)
            flow[told, len(shape.pairs) + m] = chance
        if free:
            flow[:, count : count + types] = np.eye(types)
        elif not shape.ex_post:
            flow = flow[self.kept]
        for m in range(reports):
            act[m, :, count + extra + m] = 1.0
            act[m, np.arange(actions), ahead + m * len(chain.parts) + chain.moves] = -chain.discount
        blocks = np.zeros((children, size + 2, width))
        blocks[:, :size, :count] = -shape.turn.transpose(0, 2, 1)[:, self.kept]
        blocks[np.arange(children), -1, ahead + np.arange(children)] = 1.0
        sides = np.zeros((children, size + 2))
        sides[:, -2] = 1.0
        ends = sides.copy()
        ends[:, -1] = np.inf
        self.act = act[:, :, :count]
        self.net = net
        self.count = count
        at = len(flow) + reports * actions
        self.rows = at + np.arange(sides.size).reshape(sides.shape)
        self.flow, self.priced = np.arange(len(flow), dtype=np.int32), np.arange(types) if free else self.kept
        cost, lower = np.zeros(width), np.zeros(width)
        cost[count + extra : ahead] = shape.chance
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
        entries = np.append(place[self.kept], [share, -height])
        kept = np.flatnonzero(entries)
        return 0.0, self.rows[m][kept].astype(np.int32), entries[kept]

    def slack(self, answer: Answer, m: int) -> FloatArray:
        """What each cut of child m asks, at its height, above its place and the level."""
        pool, duals = self.pools[m], answer.rows[self.rows[m]]
        return np.asarray(duals[-1] * pool.heights - pool.points[:, self.kept] @ duals[:-2] - duals[-2])

    def at_price(self, price: FloatArray) -> Step | None:
        """An upper bound at a price of promises."""
        self.lp.set_rows(self.flow, price[self.priced])
        answer = self.settled()
        if answer is None:
            return None
        multipliers = answer.columns[: self.count]
        gain = self.net - self.act @ multipliers
        prices = np.einsum("p,mpk->mk", multipliers, self.shape.turn)
        step = Step(answer.value, prices, price, gain, *self.used(answer))
        self.slim(answer)
        return step
