"""Current reports: the bound of every gain's rounding, by plain loops from what the docstrings say of it."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.stationary import check
from tests.verification import cases
from tests.verification.test_limits import for_ever, pivot

U, TINY = 2.0**-53, np.finfo(float).tiny


class Bounds:
    """Of one agent: what V is off by, by period and profile, and what a gain is off by."""

    def __init__(self, m, i):
        self.m, self.i, self.env, self.d = m, i, m.environment, m.environment.discount
        sizes = self.env.shape
        depth = 4 * (max(sum(row) + 3 * len(row) for row in sizes) + m.periods + 12)
        largest = max(self.size(j, t, p) for j in range(self.env.agents) for t in range(m.periods) for p in self.at(t))
        self.share, self.least = 2 * depth * U, depth * TINY * (1 + largest)
        self.left = 1 - self.d * (1 + 4 * U)
        self.value = m.continuation[i]
        self.off = [None] * m.periods
        for t in reversed(range(m.periods)):
            self.off[t] = {p: self.of_value(t, p) for p in self.at(t)}
            if self.env.infinite and t == m.periods - 1:
                worst = max(self.off[t].values())
                self.off[t] = {p: (1 + self.share) * (worst / self.left) for p in self.at(t)}

    def at(self, t):
        return list(product(*map(range, self.env.shape[self.m.stage(t)])))

    def size(self, i, t, p):
        a = self.m.policy[self.m.stage(t)][p]
        return abs(self.env.values[i][self.m.stage(t)][a, p[i]]) + abs(self.m.transfer[i][t][p])

    def ahead(self, t, a, p, later):
        """Expectation of the next period, of a function of period and profile; 0 after the last."""
        if t + 1 >= self.m.periods and not self.env.infinite:
            return 0.0
        s, then = self.m.stage(t), min(t + 1, self.m.periods - 1)
        total = 0.0
        for q in self.at(then):
            chance = np.prod([self.env.kernel[j][s][a, p[j], q[j]] for j in range(self.env.agents)])
            total += chance * later(then, q)
        return self.d * total

    def of_value(self, t, p):
        m, a = self.m, self.m.policy[self.m.stage(t)][p]
        size = self.size(self.i, t, p) + abs(self.value[t][p])
        size += self.ahead(t, a, p, lambda s, q: abs(self.value[s][q]))
        bound = self.share * size + self.least
        if self.env.infinite and t == m.periods - 1:
            flow = self.env.values[self.i][0][a, p[self.i]] - m.transfer[self.i][t][p]
            return bound + abs(flow + self.ahead(t, a, p, lambda s, q: self.value[s][q]) - self.value[t][p])
        return bound + (1 + self.share) * self.ahead(t, a, p, lambda s, q: self.off[s][q])

    def misreport(self, t, r, p):
        m, s = self.m, self.m.stage(t)
        told = (*p[: self.i], r, *p[self.i + 1 :])
        a = m.policy[s][told]
        bound = self.share * (abs(self.env.values[self.i][s][a, p[self.i]]) + abs(m.transfer[self.i][t][told]))
        bound += self.ahead(
            t, a, p, lambda u, q: self.share * abs(self.value[u][q]) + (1 + self.share) * self.off[u][q]
        )
        return self.d**t * (bound + self.off[t][p] + self.share * abs(self.value[t][p]))

    def participation(self, t, p):
        return self.d**t * (self.off[t][p] + self.share * abs(self.value[t][p]))

    def at_first(self, k):
        """An average over the others' first types rounds what it averages once more."""
        error = size = 0.0
        for p in self.at(0):
            if p[self.i] == k:
                distributions = (distribution for j, distribution in enumerate(self.env.initial) if j != self.i)
                others = (own for j, own in enumerate(p) if j != self.i)
                chance = np.prod([distribution[own] for distribution, own in zip(distributions, others, strict=True)])
                error += chance * (self.off[0][p] * (1 + self.share) + self.share * abs(self.value[0][p]))
                size += chance * self.value[0][p]
        return error + self.share * abs(size)


MECHANISMS = {str(seed): (cases.stationary, seed) for seed in range(7)}


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_bound_by_loops(name):
    """The terms of second order in the bound count too: they are 10^-14 of it."""
    make, seed = MECHANISMS[name]
    m = make(seed)

    def same(value):
        return pytest.approx(value, rel=3e-15 if not m.environment.infinite else 0.02, abs=0)

    for i in range(m.environment.agents):
        wanted, values = Bounds(m, i), check.truthful_values(m, i)
        for t in range(m.periods):
            found = check._misreports(m, i, t, values).rounding
            later = check._continuation(m, i, t, values)
            for p in wanted.at(t):
                assert values.error[t][p] == same(wanted.off[t][p])
                for r in range(found.shape[0]):
                    assert found[(r, *p)] == same(wanted.misreport(t, r, p))
                if np.isfinite(later.gain[p]):
                    assert later.rounding[p] == same(wanted.participation(t, p))
                else:
                    assert later.rounding[p] == 0
        first = check._at_first(m, i, 0, values)
        for k in np.flatnonzero(m.environment.initial[i] > 0):
            assert first.rounding[k] == same(wanted.at_first(k))


@pytest.mark.parametrize("seed", range(7))
def test_terms_of_second_order_where_values_are_given(seed):
    """With a residual far above rounding the bound for ever is as sharp as any."""
    m = cases.stationary(seed)
    if not m.environment.infinite:
        return
    for i in range(m.environment.agents):
        off = [np.array(part) for part in m.continuation[i]]
        off[-1].ravel()[0] += 2.0**30
        changed = tuple(m.continuation[j] if j != i else tuple(off) for j in range(m.environment.agents))
        m.__dict__["continuation"] = changed
        wanted, values = Bounds(m, i), check.truthful_values(m, i)
        for t in range(m.periods):
            for p in wanted.at(t):
                assert values.error[t][p] == pytest.approx(wanted.off[t][p], rel=5e-15, abs=0)


def test_what_is_left_of_one():
    assert check._left(pivot()) == 1
    assert check._left(for_ever()) == 1 - 0.9 * (1 + 4 * U) < 1 - 0.9


def test_the_largest_number_is_looked_for_everywhere():
    """A payment of 99 in the last period, of the last agent, at the last profile."""
    m = pivot()
    paid = [[np.array(part) for part in row] for row in m.transfer]
    paid[-1][-1].ravel()[-1] = 99.0
    changed = MarkovMechanism(m.environment, m.policy, paid)
    s, p = changed.stage(1), tuple(k - 1 for k in m.environment.shape[1])
    size = 99 + abs(m.environment.values[1][s][m.policy[s][p], p[1]])
    assert check._rounding(changed).least == pytest.approx(4 * (5 + 6 + 2 + 12) * TINY * (1 + size), rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("horizon", "discount", "amount", "wild"),
    [(3, 1, 7e307, True), (3, 1, 3e307, False), ("infinite", "9/10", 5e307, True), ("infinite", "1/2", 7e307, False)],
)
def test_payments_whose_sum_may_overflow_are_violations_of_any_size(horizon, discount, amount, wild):
    """One type pays that once, in the first period, and another never; nothing overflows by itself."""
    env = mo.MarkovTypes([[[0, 0]]], [[[0, 1], [0, 1]]], [["1/2", "1/2"]], horizon=horizon, discount=discount)
    listed = 1 if env.infinite else horizon
    paid = [np.array([amount if t == 0 else 0.0, 0.0]) for t in range(listed)]
    m = MarkovMechanism(env, [np.zeros(2, int)] * listed, [paid])
    gain = mo.verify(m, mo.Interim())["interim"].gain
    assert gain == (np.inf if wild else amount)


def test_what_underflows_is_carried_along_where_nothing_is_paid():
    """Type 0 stays as she is and pays nothing; type 1 pays 1."""
    env = mo.MarkovTypes([[[0, 0]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=2, discount="1/2")
    m = MarkovMechanism(env, [np.zeros(2, int)] * 2, [[np.array([0.0, 1.0])] * 2])
    share, least = check._rounding(m)
    found = check.truthful_values(m, 0).error
    assert 0 < least == found[1][0] and found[0][0] == pytest.approx(least + (1 + share) * least / 2, rel=1e-12, abs=0)


def test_a_constraint_over_paths_is_checked_over_histories():
    """Asked with one that is not: with a finite horizon both are in the report, for ever the first is refused."""
    found = mo.verify(pivot(), [mo.PPIR(), mo.EPIR()])
    assert list(found) == [mo.PPIR(), mo.EPIR()]
    with pytest.raises(InputError, match="epir"):
        mo.verify(for_ever(), [mo.PPIR(), mo.EPIR()])
