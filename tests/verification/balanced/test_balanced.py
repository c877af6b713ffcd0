"""Balanced mechanisms: gains of every strategy and utilities after every last profile, by loops from the definition."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.verification.balanced import check as module
from mechopt.verification.rounding import Precision, Status
from tests.closedform.markov_instances import random_environment

IC, PERIODIC, INTERIM = mo.BayesianIC(), mo.PeriodicIR(), mo.Interim()
SWEEPS = 26
"""At a discount of 1/4 the rest is beyond floats."""


def moves_that_end(horizon):
    """Types of probability 0 at first and ever after: reports depend on the past."""
    values = [[[0, 1], [2, 4]], [[0, -1, 1], [1, 0, 3]]]
    kernel = [
        [[[1, 0], ["1/2", "1/2"]], [["1/4", "3/4"], [0, 1]]],
        [["1/2", "1/2", 0], [0, 1, 0], ["1/3", "1/3", "1/3"]],
    ]
    initial = [["1/2", "1/2"], ["3/4", 0, "1/4"]]
    return mo.MarkovTypes(values, kernel, initial, cost=[0, "1/2"], horizon=horizon, discount="1/4")


ENVIRONMENTS = {
    "three-agents": lambda: random_environment((2, 1, 2), 3, 2, 0.9, 1),
    "types-by-period": lambda: random_environment(((2, 3), (3, 1)), 2, 2, 0.8, 2),
    "moves-that-end": lambda: moves_that_end(3),
    "for-ever": lambda: moves_that_end("infinite"),
    "for-ever-after-two-periods": lambda: moves_that_end("infinite"),
}


def mechanism(name, scale=1.0):
    """Incentive terms, fees and lump sums of any size."""
    rng = np.random.default_rng(0)
    team = mo.balanced_team(ENVIRONMENTS[name]())
    if name == "for-ever-after-two-periods":
        terms, sums = (tuple((*row, row[-1]) for row in rows) for rows in (team.incentive_terms, team.lump_sums))
        team = replace(team, incentive_terms=terms, lump_sums=sums)
    terms = tuple(tuple(part + scale * rng.normal(size=part.shape) for part in row) for row in team.incentive_terms)
    sums = tuple(tuple(scale * rng.normal(size=part.shape) for part in row) for row in team.lump_sums)
    return replace(team, incentive_terms=terms, lump_sums=sums, fees=3 * scale * rng.normal(size=team.fees.shape))


class Raw:
    """One agent's values by period, last profile and type."""

    def __init__(self, m, i):
        self.m, self.i, self.env = m, i, m.environment
        self.last = m.periods - 1
        self.profiles = [list(product(*map(range, m.policy[m.stage(t)].shape))) for t in range(m.periods)]
        self.before = [[()]] + [self.profiles[max(t - 1, 0)] for t in range(1, m.periods)]
        if self.env.infinite:
            self.before = [[()]] + [self.profiles[0]] * (m.periods - 1)
        self.types = [range(m.policy[m.stage(t)].shape[i]) for t in range(m.periods)]
        self.truth, self.best = self.table(False), self.table(True)

    def distribution(self, j, t, f):
        if t == 0:
            return self.env.initial[j]
        s = 0 if self.env.infinite else t - 1
        return self.env.kernel[j][s][self.m.policy[s][f], f[j]]

    def report(self, t, f, k, r, later):
        m, s, total = self.m, self.m.stage(t), 0.0
        for p in self.profiles[t]:
            if p[self.i] != r:
                continue
            chance = np.prod([self.distribution(j, t, f)[own] for j, own in enumerate(p) if j != self.i])
            a = m.policy[s][p]
            now = self.env.values[self.i][s][a, k] - m.transfers[self.i][t][(*f, *p)]
            if later:
                then = min(t + 1, self.last)
                moves = self.env.kernel[self.i][s][a, k]
                now += self.env.discount * sum(c * later[then, p, n] for n, c in enumerate(moves) if c)
            total += chance * now
        return total

    def allowed(self, t, f):
        return [r for r in self.types[t] if self.distribution(self.i, t, f)[r] > 0]

    def table(self, strategic):
        values = {}
        if self.env.infinite:
            values = {(self.last, f, k): 0.0 for f in self.before[self.last] for k in self.types[self.last]}
            for _ in range(SWEEPS):
                values = self.step(self.last, values, strategic)
        for t in reversed(range(self.m.periods - bool(self.env.infinite))):
            values = values | self.step(t, values, strategic)
        return values

    def step(self, t, later, strategic):
        return {
            (t, f, k): max(self.report(t, f, k, r, later) for r in (self.allowed(t, f) if strategic else [k]))
            for f in self.before[t]
            for k in self.types[t]
        }

    def gains(self, constraint):
        """By period, last profile, type and report, where asked for."""
        first = self.env.initial[self.i]
        if constraint == IC:
            pairs = product(np.flatnonzero(first > 0).tolist(), repeat=2)
            return {(0, (), k, r): self.report(0, (), k, r, self.best) - self.truth[0, (), k] for k, r in pairs}
        if constraint == INTERIM:
            return {(0, (), k, 0): -self.truth[0, (), k] for k in np.flatnonzero(first > 0).tolist()}
        reached, found = [{()}], {}
        for t in range(1, self.m.periods):
            previous = reached[-1]
            reached.append(set())
            for f, p in product(previous, self.profiles[t - 1]):
                if all(self.distribution(j, t - 1, f)[own] > 0 for j, own in enumerate(p)):
                    reached[-1].add(p)
        while self.env.infinite:
            more = {
                p
                for f, p in product(reached[-1], self.profiles[self.last])
                if all(self.distribution(j, self.last, f)[own] > 0 for j, own in enumerate(p))
            }
            if more <= reached[-1]:
                break
            reached[-1] |= more
        for t in range(self.m.periods):
            for f, k in product(reached[t], self.types[t]):
                if self.distribution(self.i, t, f)[k] > 0:
                    found[t, f, k, 0] = -(self.env.discount**t) * self.truth[t, f, k]
        return found


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_gain_by_loops_and_by_replay(name):
    m = mechanism(name)
    every = {c: {} for c in (IC, INTERIM, PERIODIC)}
    for i in range(m.environment.agents):
        raw, agent = Raw(m, i), module._agent(m, i)
        for constraint, gains in every.items():
            wanted = raw.gains(constraint)
            for t in range(m.periods if constraint == PERIODIC else 1):
                gain, rounding = module.GAINS[constraint](m, i, agent, t)
                assert 0 < rounding < 1e-10
                shape = m.lump_sums[i][t].shape
                found = {}
                for flat, k, r in zip(*np.nonzero(np.isfinite(gain)), strict=True):
                    f = tuple(int(x) for x in np.unravel_index(flat, shape)) if t else ()
                    found[t, f, int(k), int(r)] = m.environment.discount**t * gain[flat, k, r]
                here = {place: value for place, value in wanted.items() if place[0] == t}
                assert found == pytest.approx(here, abs=1e-12), (constraint, t)
            gains |= {(i, *place): value for place, value in wanted.items()}
            for (t, f, k, r), value in list(wanted.items())[:: max(1, len(wanted) // 6)]:
                told = r if constraint.role == "ic" else k
                example = module.BalancedCounterexample(constraint, i, t, (), k, told, 0.0, before=f or None)
                assert example.replay(m) == pytest.approx(value, abs=1e-8), (constraint, t, f, k, r)
    report = module.verify_balanced(m, list(every))
    for constraint, gains in every.items():
        check, worst = report[constraint], max(gains.values())
        if worst <= 0:
            assert check.holds and check.gain == 0
            continue
        assert check.gain == pytest.approx(worst, abs=1e-11) and check.status is Status.VIOLATED
        found = check.counterexample
        told = found.report if constraint.role == "ic" else 0
        assert gains[found.agent, found.period, found.before or (), found.true_type, told] == pytest.approx(worst)
        assert constraint.role == "ic" or found.report == found.true_type
        assert check.strategy_gain == (check.gain if constraint == IC else None)


def sizes(raw, t, later, more=0.0):
    """Largest value before payments, with what follows where that is known, and largest payment."""
    m, s, largest = raw.m, raw.m.stage(t), 0.0
    for p, k in product(raw.profiles[t], raw.types[t]):
        a = m.policy[s][p]
        value = raw.env.values[raw.i][s][a, k]
        if later:
            moves = enumerate(raw.env.kernel[raw.i][s][a, k])
            value += raw.env.discount * sum(c * (later[min(t + 1, raw.last), p, n] + more) for n, c in moves if c)
        largest = max(largest, abs(value))
    return largest + np.abs(m.transfers[raw.i][t]).max()


@pytest.mark.parametrize("name", ["three-agents", "types-by-period", "moves-that-end"])
def test_bounds_are_carried_along(name):
    m = mechanism(name)
    share, least = module._share(m)
    for i in range(m.environment.agents):
        raw, agent, off, best_off, errors = Raw(m, i), module._agent(m, i), 0.0, 0.0, []
        for t in reversed(range(m.periods)):
            off = share * sizes(raw, t, raw.truth if t < raw.last else None) + least + m.environment.discount * off
            best = share * sizes(raw, t, raw.best if t < raw.last else None) + least
            best_off = best + m.environment.discount * best_off
            errors.insert(0, off)
        assert agent.errors == pytest.approx(errors, rel=1e-12, abs=0)
        largest = max(abs(value) for (t, _, _), value in raw.truth.items() if t == 0)
        _, rounding = module._strategies(m, i, agent, 0)
        assert rounding == pytest.approx(best_off + errors[0] + share * largest, rel=1e-12, abs=0)


def test_values_for_ever_that_are_off_are_bounded_by_what_they_leave(monkeypatch):
    """All are 1 too large: 3/4 is left in the recursion, which is 1 over 1 - d."""
    m, exactly = mechanism("for-ever"), module._lasting
    monkeypatch.setattr(module, "_lasting", lambda *given: exactly(*given) + 1.0)
    share, least = module._share(m)
    raw, agent = Raw(m, 0), module._agent(m, 0)
    step = share * sizes(raw, raw.last, raw.truth, 1.0) + least
    errors = [(0.75 + step) / (1 - 0.25 * (1 + 2.0**-51)) + step]
    for t in reversed(range(raw.last)):
        more = 0.25 if t + 1 == raw.last else 0.0
        assert t + 1 == raw.last, "two periods are listed"
        errors.insert(0, share * sizes(raw, t, raw.truth, more) + least + 0.25 * errors[0])
    assert agent.errors == pytest.approx(errors, rel=5e-14, abs=0)


def test_the_share_is_counted():
    """6 profiles and 5 types in the first period, 3 and 4 in the second, two periods and twelve; fourfold."""
    m = mechanism("types-by-period")
    largest = max(float(np.abs(part).max()) for row in m.transfers for part in row)
    assert module._share(m) == Precision.of(4 * (max(2 * 3 + 5, 3 * 1 + 4) + 2 + 12), largest)


def test_values_for_ever_are_found_from_any_start_or_refused(monkeypatch):
    m = mechanism("for-ever")
    stage = module._stage(m, 0, m.periods - 1)
    wanted = Raw(m, 0).truth
    found = module._lasting(m, 0, stage)
    assert found.ravel() == pytest.approx([v for (t, *_), v in wanted.items() if t == m.periods - 1], abs=1e-13)
    monkeypatch.setattr(module, "MAX_SWEEPS", 2)
    with pytest.raises(LimitError, match="truthful continuation values are not found"):
        module._lasting(m, 0, stage)
    agent = module._Agent((stage,) * m.periods, (found + 1.0,) * m.periods, (0.0,) * m.periods)
    with pytest.raises(LimitError, match="values of the best strategy are not found"):
        module._best_for_ever(m, 0, agent)


def test_what_goes_over_histories_is_asked_with_a_finite_horizon_alone():
    for exact in (False, True):
        with pytest.raises(InputError, match="constraint 'epir' goes over"):
            module.verify_balanced(mechanism("for-ever"), mo.EPIR(), exact)
    m = mechanism("moves-that-end")
    both = module.verify_balanced(m, [mo.EPIR(), IC])
    assert list(both) == [mo.EPIR(), IC] and both[IC].rounding > 0
    exact = module.verify_balanced(m, [mo.EPIR(), IC], exact=True)
    assert exact[IC].rounding == 0 and exact[IC].gain == pytest.approx(both[IC].gain, abs=1e-10)
    assert list(module.verify_balanced(m)) == list(m.claims)


def test_an_allowance_is_asked_over_histories():
    m = mechanism("moves-that-end")
    gain = module.verify_balanced(m, IC)[IC].gain
    for epsilon, status in ((gain + 1, "satisfied"), (gain / 2, "violated")):
        found = module.verify_balanced(m, [IC, mo.EpsilonIC(epsilon)])
        assert list(found) == [IC] and (found[IC].status, found[IC].allowance) == (status, epsilon)


def test_words():
    here = module.BalancedCounterexample(IC, 1, 2, (), 0, 1, 0.5, before=(1, 2))
    assert str(here) == "agent 1, period 2, after reports [1, 2]: type 0 gains 0.5 by a strategy that reports 1 first"
    assert here.to_dict()["before"] == [1, 2]
    first = module.BalancedCounterexample(INTERIM, 1, 0, (), 0, 0, 0.5)
    assert (
        str(first) == "agent 1, period 0, at first: the utility of type 0 is -0.5" and "before" not in first.to_dict()
    )
