"""Definitions of mechanisms for ever with finitely many states, by plain loops; and chains and mechanisms for them."""

from fractions import Fraction
from itertools import product

import numpy as np
from scipy.sparse import csr_array

import mechopt as mo
from mechopt.mechanism.endless.states import StateMechanism

HALF = ["1/2", "1/2"]
SWEEPS = 24
"""At a discount of 1/4 the rest is beyond floats."""


def chain(agents, fresh=False, exactly=True, sizes=(2, 3)):
    """Actions that move types and values; a type that never comes again, and one of probability 0 at first."""
    rng = np.random.default_rng(agents)
    values = [rng.integers(-3, 9, (2, k)).tolist() for k in sizes[:agents]]
    distributions = {2: [HALF, ["0", "1"]], 3: [["1/3", "1/3", "1/3"], ["1/4", "0", "3/4"], ["1/2", "1/2", "0"]]}
    kernel = [
        [[distributions[k][(a + own) % k % len(distributions[k])] for own in range(k)] for a in range(2)]
        for k in sizes[:agents]
    ]
    initial = [{2: ["1/4", "3/4"], 3: ["2/3", "1/3", "0"]}[k] for k in sizes[:agents]]
    if fresh:
        kernel = [[distribution] * k for distribution, k in zip(initial, sizes, strict=False)]
    if not exactly:
        kernel = [np.array(np.vectorize(lambda x: float(Fraction(x)))(part)) for part in kernel]
        kernel[0][0, 0] = np.random.default_rng(1).dirichlet(np.ones(kernel[0].shape[-1]))
    return mo.MarkovTypes(values, kernel, initial, horizon="infinite", discount="1/4")


def mechanism(env, seed=0):
    """A state is the last profile, action and the side of a coin; some actions are never taken, some coins certain.

    Moves of probability 0 are listed like others. The last state, with the first types, is never entered.
    """
    rng = np.random.default_rng(seed)
    profiles = list(product(*map(range, env.shape[0])))
    places = [(p, a, side) for p in range(len(profiles)) for a in range(2) for side in range(1 + a)]
    states = 2 + len(places)
    distributions = [np.zeros((states, k)) for k in env.shape[0]]
    for i, distribution in enumerate(distributions):
        distribution[[0, -1]] = env.initial[i]
        for s, (p, a, _) in enumerate(places, 1):
            distribution[s] = env.kernel[i][0][a, profiles[p][i]]
    first = rng.random((states, len(profiles)))
    first[rng.random(first.shape) < 0.3] = 0.0
    data, columns, starts = [], [], [0]
    for s, p, a in product(range(states), range(len(profiles)), range(2)):
        for number, (profile, action, side) in enumerate(places, 1):
            if (profile, action) == (p, a):
                data.append(1 if a == 0 else [0.25, 0.75][side] if (s + p) % 3 else side)
                columns.append(number)
        starts.append(len(data))
    rows = csr_array((np.array(data, dtype=float), columns, starts), shape=(len(starts) - 1, states))
    payment = rng.normal(size=(env.agents, states, len(profiles), 2))
    coin = rng.normal(size=(env.agents, rows.nnz)) + 50.0 * (rows.data == 0)  # what nobody pays is much
    return StateMechanism(env, distributions, np.stack([first, 1 - first], axis=2), payment, rows, coin)


class Raw:
    """The definitions by loops over states, profiles, actions and coins; in fractions where values are."""

    def __init__(self, m, i):
        self.m, self.i, self.d = m, i, m.environment.discount
        self.profiles = list(product(*map(range, m.shape)))
        self.types = range(m.shape[i])
        self.entries, self._truth = {}, None
        for s, p, a in product(range(m.states), range(len(self.profiles)), range(2)):
            row = (s * len(self.profiles) + p) * 2 + a
            span = range(m.after.indptr[row], m.after.indptr[row + 1])
            self.entries[s, p, a] = [(int(m.after.indices[e]), m.after.data[e], m.extra[i, e]) for e in span]

    def others(self, s, profile):
        return np.prod(
            [
                distribution[s, k]
                for j, (distribution, k) in enumerate(zip(self.m.distributions, profile, strict=True))
                if j != self.i
            ]
        )

    def report(self, s, k, r, later):
        env, m, total = self.m.environment, self.m, 0.0
        for p, profile in enumerate(self.profiles):
            if profile[self.i] != r:
                continue
            for a in range(2):
                weight = self.others(s, profile) * m.allocation[s, p, a]
                gain = env.values[self.i][0][a, k] - m.payment[self.i, s, p, a]
                for to, chance, coin in self.entries[s, p, a]:
                    ahead = sum(c * later[to, own] for own, c in enumerate(env.kernel[self.i][0][a, k]))
                    gain += chance * (self.d * ahead - coin)
                total += weight * gain
        return total

    def table(self, choose):
        value = np.zeros((self.m.states, len(self.types)))
        for _ in range(SWEEPS):
            value = np.array([[choose(s, k, value) for k in self.types] for s in range(self.m.states)])
        return value

    def truth(self):
        if self._truth is None:
            self._truth = self.table(lambda s, k, later: self.report(s, k, k, later))
        return self._truth

    def best(self):
        """Of the reports that the state allows."""
        allowed = [[r for r in self.types if self.m.distributions[self.i][s, r] > 0] for s in range(self.m.states)]
        return self.table(lambda s, k, later: max(self.report(s, k, r, later) for r in allowed[s]))

    def period(self, s):
        """Utility of the period and the next state, over what may happen."""
        m = self.m
        for p, profile in enumerate(self.profiles):
            if all(distribution[s, k] > 0 for distribution, k in zip(m.distributions, profile, strict=True)):
                for a in range(2):
                    if m.allocation[s, p, a] > 0:
                        for to, chance, coin in self.entries[s, p, a]:
                            if chance > 0:
                                value = m.environment.values[self.i][0][a, profile[self.i]]
                                yield value - m.payment[self.i, s, p, a] - coin, to

    def least(self, stop):
        value = np.zeros(self.m.states)
        for _ in range(SWEEPS):
            after = [min(now + self.d * value[to] for now, to in self.period(s)) for s in range(self.m.states)]
            value = np.minimum(after, 0.0) if stop else np.array(after)
        return value

    def first(self, truthful):
        """First period in which a state comes, reports being possible or any."""
        found, front = {0: 0}, [0]
        while front:
            here = front.pop(0)
            for (s, p, a), moves in self.entries.items():
                possible = all(
                    distribution[s, k] > 0
                    for distribution, k in zip(self.m.distributions, self.profiles[p], strict=True)
                )
                if s == here and self.m.allocation[s, p, a] > 0 and (possible or not truthful):
                    for to, chance, _ in moves:
                        if chance > 0 and to not in found:
                            found[to] = found[s] + 1
                            front.append(to)
        return found

    def gains(self, constraint):
        """By state, type and report."""
        m, d, likely = self.m, self.d, self.first(True)
        if constraint in (mo.EPIR(), mo.PFIR()):
            return {(0, 0, 0): -self.least(constraint == mo.PFIR())[0]}
        if constraint == mo.PPIR():
            return {(s, 0, 0): -(d**t) * min(now for now, _ in self.period(s)) for s, t in likely.items()}
        truth, distribution = self.truth(), m.distributions[self.i]
        if constraint == mo.MyopicIC():
            nothing, allowed = np.zeros_like(truth), {s: np.flatnonzero(distribution[s] > 0) for s in likely}
            return {
                (s, int(k), int(r)): d**t * (self.report(s, k, r, nothing) - self.report(s, k, k, nothing))
                for s, t in likely.items()
                for k, r in product(allowed[s], repeat=2)
            }
        if constraint == mo.Interim():
            return {(0, k, 0): -truth[0, k] for k in self.types if distribution[0, k] > 0}
        if constraint == mo.PeriodicIR():
            return {
                (s, k, 0): -(d**t) * truth[s, k]
                for s, t in likely.items()
                for k in self.types
                if distribution[s, k] > 0
            }
        if constraint == mo.DIC():
            found = self.first(False)
            every = product(found, self.types, self.types)
            return {(s, k, r): d ** found[s] * (self.report(s, k, r, truth) - truth[s, k]) for s, k, r in every}
        best, found = self.best(), {0: 0} if constraint == mo.BayesianIC() else self.first(False)
        return {
            (s, k, r): d ** found[s] * (self.report(s, k, r, best) - truth[s, k])
            for s, k, r in product(found, self.types, self.types)
            if distribution[s, k] > 0 and distribution[s, r] > 0
        }
