r"""The search: descents that add points where brackets are wide, and policies that are improved and evaluated for ever.

A descent follows the child whose bracket, weighted by its probability, exceeds its share of what the root's may be; on
the way back each period's two programs are solved again and give a new point of either pool. Every point remembers its
policy: an allocation and a mixture of points. A sweep solves the program of every point again, from below at its
promise, from above at its price, over all points that there are now, and then evaluates all policies at once, as one
linear system. So values of policies that lead back to themselves are found without waiting for the discount: what is
left of the bracket is how finely promises and prices are covered. Both ends are valid at any time: policies from below
are mechanisms, and heights from above satisfy the inequality of each program, which is monotone and contracts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.dual.points import Hull, Pool
from mechopt.solve.infinite.promises.chain import Chain
from mechopt.solve.infinite.promises.programs import Above, Below
from mechopt.solve.infinite.promises.shape import Step, shape_of
from mechopt.solve.runtime import apart
from mechopt.solve.solution import Status

MOST_VISITED, MOST_LOOKED, LEAST = 40, 400, 1e-4
"""Prices that are visited before points are added, and their share of the root's bracket at least."""
MOST_SWEEPS, ENOUGH = 4, 0.8
"""Sweeps after one another, as long as each leaves at most this share of the bracket."""
OFTEN = 1e-6
"""Discounted visits of a point, from the root, from which on sweeps include it."""
PATIENCE = 4
"""Descents without progress, and a sweep between them, after which rounding is all that is left."""
MAX_POINTS = 6_000
ROUNDS = 100


Progress = Callable[[float, float, float], None]
"""Called with the bracket so far, lower and upper, in money of the environment, and the seconds since the start."""


class Search:
    """Pools of all distributions, and the root's bracket in the chain's unit."""

    def __init__(self, chain: Chain, ex_post: bool) -> None:
        self.chain, self.ex_post = chain, ex_post
        states, types = chain.root, int(chain.offset[-1])
        self.kept_places = np.arange(types) if ex_post else chain.all_but_last
        self.lower = [Pool(types) for _ in range(states)]
        self.upper = [Pool(types) for _ in range(states)]
        self.kept: list[list[Step | None]] = [[None] * len(chain.starts) for _ in range(states)]
        self.given: list[list[Step | None]] = [[None] for _ in range(states)]
        for j in range(states):
            for start in chain.starts:
                promise = start.promise(chain.distributions[j])
                self.lower[j].add(promise[None], float(chain.chances[j] @ start.worth))
            self.upper[j].add(np.zeros((1, types)), float(chain.chances[j] @ chain.best))
        self.rays = [self._rays(chain.distributions[j]) for j in range(states)]
        shapes = [shape_of(chain, j, ex_post) for j in range(states + 1)]
        self.shapes = shapes
        self.below = [Below(chain, shape, self.lower) for shape in shapes]
        self.above = [Above(chain, shape, self.upper, self.rays) for shape in shapes]
        self._hulls()
        self.price = np.concatenate(chain.distributions[-1])
        self.best: Step | None = None
        self.top: Step | None = None
        self.high = float(chain.chances[-1] @ chain.best)
        self.visits = self.sweeps = 0
        self.deadline = np.inf

    @property
    def low(self) -> float:
        """Lower end of the bracket."""
        return -np.inf if self.best is None else self.best.value

    @property
    def points(self) -> int:
        """Points of all pools."""
        return sum(pool.count for pool in (*self.lower, *self.upper))

    def _rays(self, distributions: tuple[FloatArray, ...]) -> tuple[FloatArray, FloatArray]:
        """Directions, and what the value may rise by in each."""
        eye, rays, cost = np.eye(int(self.chain.offset[-1])), list[FloatArray](), list[float]()
        for i, (distribution, box) in enumerate(zip(distributions, self.chain.boxes, strict=True)):
            own = eye[self.chain.offset[i] :]
            pairs = [(a, b) for a in range(len(distribution)) for b in range(len(distribution)) if a != b]
            rays += [own[a] - own[b] for a, b in pairs]
            cost += [box[b, a] for a, b in pairs]
            if self.ex_post:
                rays += [own[a] for a in np.flatnonzero(distribution)]
                cost += [0.0] * int(np.count_nonzero(distribution))
        return np.array(rays).reshape(-1, len(eye)), np.array(cost)

    def _hulls(self) -> None:
        self.hulls = []
        for pool, (rays, cost) in zip(self.upper, self.rays, strict=True):
            seen = Pool(len(self.kept_places))
            seen.add(pool.points[:, self.kept_places], pool.heights)
            self.hulls.append(Hull(seen, rays[:, self.kept_places], cost))

    def run(
        self,
        tolerance: float,
        time_limit: float | None = None,
        told: Progress | None = None,
    ) -> Status:
        """Search until the bracket is at most ``tolerance`` times its upper end, or a limit stops it."""
        begun, still, before = time.perf_counter(), 0, (-np.inf, np.inf)
        self.deadline = np.inf if time_limit is None else begun + time_limit
        try:
            while True:
                apart(self._look)
                now = time.perf_counter() - begun
                if told is not None:
                    told(self.low * self.chain.unit, self.high * self.chain.unit, now)
                gap = self.high - self.low
                if gap <= tolerance * max(abs(self.high), 1e-12):
                    return Status.OPTIMAL
                if time_limit is not None and now > time_limit:
                    return Status.TIME_LIMIT
                still = still + 1 if (self.low, self.high) == before else 0
                if still > PATIENCE or self.points > MAX_POINTS:
                    return Status.INACCURATE
                before = self.low, self.high
                apart(partial(self._expand, gap * 0.5**still))
                self.visits += 1
                for _ in range(MOST_SWEEPS):
                    apart(self._look)
                    left = self.high - self.low
                    apart(self._sweep)
                    apart(self._look)
                    if self.high - self.low > ENOUGH * left:
                        break
        except KeyboardInterrupt:
            return Status.INTERRUPTED

    def _look(self) -> None:
        found, top = self.below[-1].at_price(self.price), self.above[-1].at_price(self.price)
        if found is not None and found.value > self.low:
            self.best = found
        if top is not None and (self.top is None or top.value < self.high):
            self.top, self.high = top, min(self.high, top.value)

    def _expand(self, gap: float) -> None:
        """Follow the policy from the root to where brackets weigh most, and solve again what was visited, backwards."""
        way, seen, heap, ticket = list[tuple[int, FloatArray]](), set[tuple[Any, ...]](), list[Any](), count()

        def open_children(number: int, price: FloatArray, weight: float) -> float:
            """Queue the children; how far the price's bracket falls by solving its own programs."""
            found, shape = self.below[number].at_price(price), self.shapes[number]
            if found is None:
                return 0.0
            for m, (j, g) in enumerate(zip(shape.pool.tolist(), found.prices, strict=True)):
                g = self._inside(g)
                key = (j, *np.round(g, 9).tolist())
                if key not in seen:
                    chance = weight * self.chain.discount * float(shape.chance[shape.report[m]])
                    heappush(heap, (-chance * self._gap(j, g), next(ticket), key, j, g, chance))
            if number == self.chain.root:
                return 0.0
            top = self.above[number].at_price(price)
            return np.inf if top is None else self._gap(number, price) - (top.value - found.value)

        open_children(self.chain.root, self.price, 1.0)
        looked = 0
        while heap and len(way) < MOST_VISITED and looked < MOST_LOOKED and not self._late():
            weighted, _, key, j, price, chance = heappop(heap)
            if -weighted < LEAST * gap:
                break
            if key not in seen:
                seen.add(key)
                looked += 1
                if open_children(j, price, chance) * chance > LEAST * gap:
                    way.append((j, price))
        for number, price in reversed(way):
            if not self._late():
                self._solve_again(number, price)

    def _late(self) -> bool:
        return time.perf_counter() > self.deadline

    def _inside(self, price: FloatArray) -> FloatArray:
        """A price that rounding has not taken out of the domain."""
        total = np.add.reduceat(price, self.chain.offset[:-1])
        off = np.minimum(total, 0.0) if self.ex_post else total
        return np.asarray(price - np.repeat(off / self.chain.shape, self.chain.shape))

    def _solve_again(self, number: int, price: FloatArray) -> None:
        low, high = self.below[number].at_price(price), self.above[number].at_price(price)
        if low is not None:
            welfare = low.value + float(price @ low.promise)
            if self.lower[number].new(low.promise[None], welfare)[0]:
                self.lower[number].add(low.promise[None], welfare)
                self.kept[number].append(low)
        if high is not None and self.upper[number].new(price[None], high.value)[0]:
            self.upper[number].add(price[None], high.value)
            self.given[number].append(high)
            hull = self.hulls[number]
            hull.pool.add(price[None, self.kept_places], high.value)

    def _gap(self, number: int, price: FloatArray) -> float:
        pool, hull = self.lower[number], self.hulls[number]
        low = float((pool.heights - pool.points @ price).max())
        return float(hull.values(price[None, self.kept_places])[0][0]) - low

    def _sweep(self) -> None:
        """Solve the programs of points that matter again, and evaluate all policies for ever."""
        self.sweeps += 1
        for j, points in enumerate(self._visited(self.best, self.lower, self.kept, len(self.chain.starts))):
            for p in () if self._late() else points:
                step = self.below[j].at_promise(self.lower[j].points[p])
                if step is not None and step.value >= self.lower[j].heights[p] - 1e-9:
                    self.kept[j][p] = step
        self._evaluate_below()
        for j, points in enumerate(self._visited(self.top, self.upper, self.given, 1)):
            for p in () if self._late() else points:
                step = self.above[j].at_price(self.upper[j].points[p])
                if step is not None and step.value <= self.upper[j].heights[p] + 1e-9:
                    self.given[j][p] = step
        self._evaluate_above()
        for program in (*self.below, *self.above):
            program.again()
        self._hulls()

    def _visited(
        self, first: Step | None, pools: list[Pool], kept: list[list[Step | None]], starts: int
    ) -> list[list[int]]:
        """Points to which the root's policy leads often enough, by distribution."""
        from scipy.sparse import csc_array, eye_array
        from scipy.sparse.linalg import spsolve

        offset = np.cumsum([0, *(pool.count for pool in pools)])
        rows, columns, weights = list[int](), list[int](), list[float]()
        at_first = np.zeros(int(offset[-1]))

        def followed(step: Step, number: int) -> tuple[IntArray, FloatArray]:
            shape, real = self.shapes[number], step.point >= 0
            share = self.chain.discount * shape.chance[shape.report[step.child]] if pools is self.upper else 1.0
            return (offset[shape.pool[step.child]] + step.point)[real], (step.weight * share)[real]

        if first is not None:
            np.add.at(at_first, *followed(first, self.chain.root))
        for j, policies in enumerate(kept):
            for p, step in enumerate(policies):
                if step is not None:
                    at, weight = followed(step, j)
                    rows += [int(offset[j]) + p] * len(at)
                    columns += at.tolist()
                    weights += (weight / max(1.0, float(weight.sum()) / self.chain.discount)).tolist()
        size = int(offset[-1])
        matrix = csc_array((weights, (columns, rows)), shape=(size, size))
        mass = spsolve(eye_array(size, format="csc") - matrix, at_first)
        return [[p for p in range(starts, pool.count) if mass[offset[j] + p] > OFTEN] for j, pool in enumerate(pools)]

    def _evaluate_below(self) -> None:
        from scipy.sparse import csc_array, eye_array
        from scipy.sparse.linalg import spsolve

        chain, offset = self.chain, np.cumsum([0, *(pool.count for pool in self.lower)])
        reward, rows, columns, weights = np.zeros(offset[-1]), list[int](), list[int](), list[float]()
        for j, pool in enumerate(self.lower):
            shape = self.shapes[j]
            net = chain.net[:, shape.support].T
            for p in range(pool.count):
                at, step = int(offset[j]) + p, self.kept[j][p]
                if step is None:
                    reward[at] = pool.heights[p]
                    continue
                reward[at] = float((step.allocation * net).sum())
                rows += [at] * len(step.child)
                columns += (offset[shape.pool[step.child]] + step.point).tolist()
                weights += step.weight.tolist()
        size = int(offset[-1])
        matrix = csc_array((weights, (rows, columns)), shape=(size, size))
        value = spsolve(eye_array(size, format="csc") - matrix, reward)
        for j, pool in enumerate(self.lower):
            pool.heights[:] = value[offset[j] : offset[j + 1]]

    def _evaluate_above(self) -> None:
        from scipy.sparse import csr_array

        chain, offset = self.chain, np.cumsum([0, *(pool.count for pool in self.upper)])
        size = int(offset[-1])
        rows, columns, weights, fixed = list[int](), list[int](), list[float](), list[float]()
        gains, count = list[FloatArray](), 0
        heads = list[tuple[int, int, int]]()  # point, its first child, number of reports
        for j, pool in enumerate(self.upper):
            shape = self.shapes[j]
            for p in range(1, pool.count):
                step = self.given[j][p]
                assert step is not None
                constant = np.zeros(len(shape.report))
                for m, point, weight in zip(
                    step.child.tolist(), step.point.tolist(), step.weight.tolist(), strict=True
                ):
                    if point < 0:
                        constant[m] += weight * float(self.rays[int(shape.pool[m])][1][-1 - point])
                    else:
                        rows.append(count + m)
                        columns.append(int(offset[shape.pool[m]]) + point)
                        weights.append(weight)
                heads.append((int(offset[j]) + p, count, j))
                fixed += constant.tolist()
                count += len(shape.report)
                gains.append(step.allocation)
        matrix = csr_array((weights, (rows, columns)), shape=(count, size))
        value = np.concatenate([pool.heights for pool in self.upper])
        extra, kernels = np.array(fixed), len(chain.parts)
        groups = []
        for j in range(len(self.upper)):
            mine = [at for at, head in enumerate(heads) if head[2] == j]
            if mine:
                shape = self.shapes[j]
                where = np.array([heads[at][0] for at in mine])
                first = np.array([heads[at][1] for at in mine])
                groups.append((where, first, np.array([gains[at] for at in mine]), shape.chance))
        for _ in range(100_000):
            ahead, after = matrix @ value + extra, value.copy()
            for where, first, gain, chance in groups:
                child = first[:, None] + np.arange(len(chance) * kernels)
                later = ahead[child].reshape(len(where), len(chance), kernels)[:, :, chain.moves]
                after[where] = (gain + chain.discount * later).max(axis=2) @ chance
            after = np.minimum(after, value)
            change = float((value - after).max(initial=0.0))
            value = after
            if change <= 1e-13:
                break
        for j, pool in enumerate(self.upper):
            pool.heights[:] = value[offset[j] : offset[j + 1]]
