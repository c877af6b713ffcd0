"""The three answers, at the ends of the tolerance; and where mechanisms on arms are looked at."""

import dataclasses
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanisms import arms_pivot
from mechopt.verification.arms import check, search
from mechopt.verification.arms.bounds import Bounds
from mechopt.verification.arms.check import verify_arms
from mechopt.verification.arms.exact import exact_first, exact_gain, exact_utility
from tests.verification.arms.raw_bounds import arms_of, instance
from tests.verification.arms.test_check import raw_values

OPEN, AGAIN, EX_POST = mo.PeriodicExPostIC(), mo.PeriodicExPostIC(rereport=True), mo.PeriodicExPostIR()
INTERIM, PERIODIC = mo.Interim(), mo.PeriodicIR()


@pytest.fixture
def stubbed(monkeypatch):
    """A pivot of three arms whose bounds, and what the search finds, are what a test says."""
    m = instance(2)
    tolerance = verify_arms(m, OPEN)[OPEN].tolerance

    def of(misreport, shortfall, rounding, constraint, found=None, off=0.0, exact=False):
        agents = range(m.agents)
        pad = [np.array([*part, *[-9.0] * (len(agents) - len(part))]) * tolerance for part in (misreport, shortfall)]
        rest = np.array([*rounding, *[0.0] * (len(agents) - len(rounding))]) * tolerance
        monkeypatch.setattr(check, "MAX_WRITTEN", 0)
        monkeypatch.setattr(check, "bounds", lambda _: Bounds(*pad, rest))
        fractions = [(Fraction(x), Fraction(y)) for x, y in zip(*pad, strict=True)]
        monkeypatch.setattr(check, "exact_bounds", lambda _: fractions)
        asked = []

        def finds(name):
            def one(_, enough):
                assert name == ("worst_misreport" if constraint in (OPEN, AGAIN) else "worst_utility")
                asked.append(enough / tolerance)
                return None if found is None else search.Found(found * tolerance, 1, (0, 0, 1), 0)

            return one

        for name in ("worst_misreport", "worst_utility"):
            monkeypatch.setattr(search, name, finds(name))
        monkeypatch.setattr(search, "error_of", lambda _: off * tolerance)
        answer = verify_arms(m, constraint, exact)[constraint]
        gain, rounding_ = answer.gain / tolerance, answer.rounding / tolerance
        return str(answer.status), pytest.approx(gain, rel=1e-12), pytest.approx(rounding_, rel=1e-12), asked, answer

    return of


@pytest.mark.parametrize("constraint", [OPEN, AGAIN, EX_POST])
def test_satisfied_up_to_the_tolerance(constraint, stubbed):
    def of(gains, rounding, **more):
        wild = [50.0] * len(gains)
        parts = (gains, wild) if constraint in (OPEN, AGAIN) else (wild, gains)
        return stubbed(*parts, rounding, constraint, **more)

    assert of([0.5], [0.5])[:3] == ("satisfied", 0.5, 0.5)
    assert of([0.75], [0.5])[:3] == ("undecided", 0, 1.25)
    assert of([0.75], [0.75])[0] == "undecided"
    assert of([0.25, 0.5], [0.875, 0.0])[:3] == ("undecided", 0, 1.125)  # the worst is the one whose sum is
    assert of([-3.0, -2.0], [0.5, 0.25])[:3] == ("satisfied", 0, 0.25)
    assert of([-2.0, -3.0], [0.5, 0.25])[:3] == ("satisfied", 0, 0.5)
    assert of([1.0], [9.0], exact=True)[:3] == ("satisfied", 1, 0)
    assert of([-1.0], [9.0], exact=True)[:3] == ("satisfied", 0, 0)
    assert of([1 + 1e-12], [0.0], exact=True)[0] == "undecided"


def test_a_bound_above_the_tolerance_by_less_than_a_float(monkeypatch):
    m = instance(2)
    tolerance = verify_arms(m, OPEN)[OPEN].tolerance
    monkeypatch.setattr(check, "MAX_WRITTEN", 0)
    for more, wanted in ((0, "satisfied"), (Fraction(1, 10**60), "undecided")):
        worst = Fraction(tolerance) + more
        monkeypatch.setattr(check, "exact_bounds", lambda _, worst=worst: [(worst, worst)] * 3)
        monkeypatch.setattr(search, "worst_misreport", lambda _, enough: None)
        assert verify_arms(m, OPEN, exact=True)[OPEN].status == wanted


def test_what_the_search_finds_decides(stubbed):
    off = 0.25
    assert stubbed([9.0], [], [1.0], OPEN, found=2.0, off=off)[:4] == ("violated", 2, 0.25, [1.5])
    assert stubbed([9.0], [], [1.0], OPEN, found=1.25, off=off)[:3] == ("undecided", 1.25, 8.75)
    assert stubbed([9.0], [], [1.0], OPEN, found=0.875, off=off)[:3] == ("undecided", 0.875, 9.125)
    status, gain, rounding, asked, answer = stubbed([9.0], [], [1.0], OPEN, found=-3.0, off=off)
    assert (status, gain, rounding, asked) == ("undecided", 0, 10, [1.5])
    assert answer.gain == 0
    example = answer.counterexample
    assert (example.constraint, example.agent, example.period, example.history) == (OPEN, 1, 0, ())
    assert (example.true_type, example.report, example.others) == (0, 0, (0, 1))
    assert stubbed([9.0], [], [1.0], OPEN)[4].counterexample is None


def test_not_to_take_part_may_be_periodic_where_it_is_not_at_a_joint_state(stubbed, monkeypatch):
    """What a state of all says is no violation of a constraint that is an expectation over the others'."""
    status, gain, rounding, _, answer = stubbed([], [9.0], [1.0], PERIODIC, found=4.0, off=0.25)
    assert (status, gain, rounding) == ("undecided", 4, 6)
    assert answer.counterexample.constraint == PERIODIC
    assert stubbed([], [9.0], [1.0], EX_POST, found=4.0, off=0.25)[0] == "violated"


@pytest.mark.parametrize("constraint", [OPEN, EX_POST])
def test_a_violation_in_fractions_has_no_rounding(constraint, monkeypatch):
    monkeypatch.setattr(check, "MAX_WRITTEN", 0)
    m = instance(2)
    dear = dataclasses.replace(m, base=m.base + 9)
    found = verify_arms(dear, constraint, exact=True)[constraint]
    example = found.counterexample
    state = (*example.others[: example.agent], example.true_type, *example.others[example.agent :])
    of = exact_gain if constraint == OPEN else exact_utility
    assert (found.status, found.rounding) == ("violated", 0)
    assert found.exact == of(dear, example.agent, state) > 1


def test_few_joint_states_are_written_out(monkeypatch):
    m = instance(2)  # 2 * 1 * 3 joint states
    wild = dataclasses.replace(m, base=m.base + 9)
    seen = []

    def written(mechanism, constraint, exact):
        seen.append((type(mechanism).__name__, constraint, exact))
        return {constraint: "as written"}

    monkeypatch.setattr(check, "verify_markov", written)
    monkeypatch.setattr(check, "MAX_WRITTEN", 6)
    assert check._Floats(wild, 1e-8).check(EX_POST) == "as written"
    assert check._Fractions(wild, 1e-8).check(EX_POST) == "as written"
    assert seen == [("MarkovMechanism", EX_POST, False), ("MarkovMechanism", EX_POST, True)]
    monkeypatch.setattr(check, "MAX_WRITTEN", 5)
    assert check._Floats(wild, 1e-8).check(EX_POST).status == "violated"


@pytest.mark.parametrize("exact", [False, True])
def test_waiting_that_is_not_ascending_is_never_satisfied_by_bounds(exact, monkeypatch):
    monkeypatch.setattr(check, "MAX_WRITTEN", 0)
    m = instance(1)
    wild = dataclasses.replace(m, waiting=tuple(np.flip(table, axis=1) for table in m.waiting))
    found = verify_arms(wild, OPEN, exact)[OPEN]  # one arm that is always served, or never: no report changes anything
    assert (found.status, found.gain, found.rounding) == ("undecided", 0, np.inf) or found.status == "violated"


def test_floats_unless_fractions_are_asked_for():
    m = instance(2)
    assert verify_arms(m, OPEN)[OPEN].rounding > 0 == verify_arms(m, OPEN, exact=True)[OPEN].rounding
    assert tuple(verify_arms(m)) == m.claims
    assert tuple(verify_arms(dataclasses.replace(m, claims=()))) == check.CHECKED


@pytest.mark.parametrize("exact", [False, True])
def test_interim_ir_is_expected_over_the_others_first_states(exact):
    """By values of truth at all joint states, by substitution."""
    for seed in (2, 8, 14, 20):
        m = instance(seed)
        env, worst = m.environment, {}
        for i in range(m.agents):
            value = raw_values(m, i)
            for s in np.flatnonzero(env.initial[i]):
                law = {state: np.prod([env.initial[j][z] for j, z in enumerate(state) if j != i]) for state in value}
                worst[i, int(s)] = -sum(law[state] * value[state] for state in value if state[i] == s)
        found = verify_arms(m, INTERIM, exact)[INTERIM]
        largest = max(worst.values())
        assert found.gain == pytest.approx(max(largest, 0), abs=1e-9)
        assert (found.status == "violated") == (largest > found.tolerance + 1e-9)
        assert (found.counterexample is None) == (found.status == "satisfied")
        if found.counterexample is not None:
            example = found.counterexample
            assert worst[example.agent, example.true_type] == pytest.approx(largest, abs=1e-9)
            assert (example.gain, example.period, example.report) == (found.gain, 0, example.true_type)
            first = verify_arms(m, PERIODIC, exact)[PERIODIC]
            assert (first.status, first.counterexample.constraint) == ("violated", PERIODIC)


def test_who_gets_nothing_is_no_counterexample():
    """A second arm that is never served: truth is worth 0 to its agent."""
    m = arms_pivot(mo.families.bandits([[3], [1]], [[[1]], [[1]]], [[1], [1]], "1/2"))
    found = verify_arms(m, INTERIM, exact=True)[INTERIM]
    assert (found.status, found.counterexample) == ("satisfied", None)
    assert {(i, s): u for i, s, u in exact_first(m)} == {(0, 0): 4, (1, 0): 0}


def certain(rng, count):
    return [Fraction(int(k == count - 1)) for k in range(count)]


def test_first_states_of_probability_0_do_not_count():
    rng = np.random.default_rng(0)
    values = [[Fraction(1), Fraction(2)], [Fraction(1), Fraction(3), Fraction(2)]]
    env = arms_of(rng, [2, 3], values, [Fraction(0)] * 2, Fraction(1, 2), False, first=certain)
    m = arms_pivot(env)
    assert [(i, s) for i, s, _ in search.at_first(m)] == [(i, s) for i, s, _ in exact_first(m)] == [(0, 1), (1, 2)]
    assert next(search.reached(m)) == (1, 2)


def test_paths_of_truth():
    """Two tasks that take turns: each goes round its states while it is served, with indices 3, 2 and 1 of one and 2
    and 0 of the other; who is at 0 is not served, and nobody is when both are."""
    m = instance(0)  # arms of 2 and 3 states that may rest
    turns = [[[0, 1], [1, 0]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]]
    still = [np.eye(2).tolist(), np.eye(3).tolist()]
    values = [[[0, 0], [1, 1], [0, 0]], [[0] * 3, [0] * 3, [1] * 3]]
    kernels = [[still[0], turns[0], still[0]], [still[1], still[1], turns[1]]]
    env = mo.MarkovTypes(values, kernels, [[0, 1], [0, 1, 0]], discount="1/2")
    m = dataclasses.replace(m, environment=env, index=(np.array([0.0, 2.0]), np.array([0.0, 3.0, 1.0])))
    # the second one from 1 to 2; then the first one, from 1 to 0; the second one, from 2 to 0; nobody
    path = [(1, 1), (1, 2), (0, 2), (0, 0)]
    assert list(search.reached(m)) == path * search.MAX_PATHS


def test_the_search_finds_the_worst_of_few_states():
    for seed in (*range(8, 32), *range(48, 64), *range(112, 120)):
        m = instance(seed)
        states = list(product(*(range(len(row)) for row in m.index)))
        gains = {(i, state): exact_gain(m, i, state) for i in range(m.agents) for state in states}
        losses = {(i, state): exact_utility(m, i, state) for i in range(m.agents) for state in states}
        worst, error = search.worst_misreport(m, np.inf), search.error_of(m)
        there = [at for at in gains if search.misreport(m, *at) is not None]
        assert (worst is None) == (not there)
        for at in there:
            assert abs(search.gain_at(m, *at).gain - gains[at]) <= error
        if worst is not None:
            assert abs(worst.gain - max(gains[at] for at in there)) <= error
            assert search.misreport(m, worst.agent, worst.state)[0] == worst.report
            first = search.worst_misreport(m, -np.inf)
            best, least = (tuple(int(f(row)) for row in m.index) for f in (np.argmax, np.argmin))
            lone = [(*least[:i], best[i], *least[i + 1 :]) for i in range(m.agents)]
            assert list(search._drawn(m))[: m.agents + 2] == [best, least, *lone]
            assert first.state == (best if any(search.misreport(m, i, best) for i in range(m.agents)) else least)
        lost = search.worst_utility(m, np.inf)
        assert abs(lost.gain - losses[lost.agent, lost.state]) <= error
        some = {(i, state) for state in search.reached(m) for i in range(m.agents)}
        assert abs(lost.gain - max(losses[at] for at in some)) <= error
        assert lost.report == lost.state[lost.agent]
        assert search.worst_utility(m, -np.inf).state == next(search.reached(m))


def test_one_arm_after_another_is_changed_where_that_is_worse():
    """What is drawn is one state, which is not the worst: a round over all arms finds it."""
    for seed in (10, 14, 18, 26, 50, 58):
        m = instance(seed)
        states = list(product(*(range(len(row)) for row in m.index)))
        at = {state: [g for g in search.misreports_at(m, state)] for state in states}
        for start in states:
            if not at[start]:
                continue
            agent = max(at[start], key=lambda g: g.gain).agent
            best = max(g.gain for g in at[start])
            state = start
            for j in range(m.agents):  # the same round, by hand
                for s in range(len(m.index[j])):
                    other = (*state[:j], s, *state[j + 1 :])
                    gains = [g.gain for g in at[other] if g.agent == agent]
                    if gains and gains[0] > best:
                        best, state = gains[0], other
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(search, "_drawn", lambda _, start=start: iter([start]))
                found = search.worst_misreport(m, np.inf)
                assert (found.gain, found.agent, found.state) == (best, agent, state)
                enough = search.worst_misreport(m, best)
                assert enough.gain == best


def test_the_error_of_a_gain_is_that_of_its_sums():
    for seed in (2, 9, 20, 50, 58):
        m = instance(seed)
        d, n, size = m.environment.discount, m.agents, max(map(len, m.index))
        top = max(*(v for row in m.levels for v in row), *m.start, m.floor) + 1
        inside = {v for row in (*m.levels, m.start) for v in row if v > m.floor}
        residual = max(stop.residual for stop in m.stops)
        off = residual + 4 * (size + 4) * 2.0**-53 / (1 - d)
        each = off / (1 - d) + (n + size + len(inside) + 1) * 2.0**-53
        paid = max(map(abs, m.base)) + (1 - d) * (abs(top) + top - m.floor)
        worth = max(abs(v) for i in range(n) for v in m.value(i))
        wanted = 12 * (worth + paid) * (n / (1 - d) + size) * each
        assert search.error_of(m) * 2.0**52 == pytest.approx(wanted * 2.0**52, rel=1e-9)
