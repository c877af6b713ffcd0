"""Agents who do not look ahead: the program and the small programs by state, against a program of the tests' own."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.solve.methods import choose
from tests.persistent_instances import battaglini, random_correlated, random_markov, three_types
from tests.solve.payoffs.test_seller_values import with_gains
from tests.strategy_rows import Strategies


class Myopic(Strategies):
    """One misreport after any truthful history, of which the utility of that period alone counts."""

    def incentives(self, i, points):
        return list(self._alone(0, i, points))

    def _alone(self, t, i, points):
        for history, own in sorted({(point[1], point[3]) for point in points}):
            here = [point for point in points if (point[1], point[3]) == (history, own)]
            truth, _ = self.outcomes(t, i, here, lambda history, own: own[-1])
            for report in self.reports(t, i, history):
                if report != own[-1]:
                    lie, _ = self.outcomes(t, i, here, lambda history, own, report=report: report)
                    yield truth - lie
        _, after = self.outcomes(t, i, points, lambda history, own: own[-1])
        if after:
            yield from self._alone(t + 1, i, after)

    def paths(self, i):
        """Utility of each period at every history of positive probability."""
        game = self.game
        points = [((), m, (m[i],)) for m in game.profiles(0) if game.first(m) > 0]
        for t in range(game.periods):
            after = []
            for history, types, own in points:
                utility, _ = self.outcomes(t, i, [(1.0, history, types, own)], lambda history, own: own[-1])
                yield utility
                after += [(into, later, (*own, later[i])) for into, later, _ in self._next(t, history, types, types)]
            points = after


def cases():
    for seed, steered in product(range(8), (False, True)):
        env = random_markov(seed, 1 + seed % 2, 2 + (seed % 4 == 0), 2, 2, sparse=seed % 3 == 0, controlled=steered)
        yield pytest.param(with_gains(env, seed) if seed % 2 else env, id=f"{seed}-{steered}")
    for seed in range(2):
        yield pytest.param(random_correlated(seed), id=f"correlated-{seed}")
    yield pytest.param(three_types(3), id="three-types")
    yield pytest.param(mo.load("kakade-lobel-nazerzadeh-2013/non-separable"), id="separable")


@pytest.mark.parametrize("env", list(cases()))
def test_states_the_program_and_the_raw_program_agree(env):
    asked = "myopic", "per-period"
    plain = env.to_markov() if env.kind == "separable" else env
    expected = Myopic(plain).optimum(ex_post=True)
    whole = mo.optimum(env, *asked, method="program", exact=True)
    states = mo.optimum(env, *asked, method="myopic")
    assert whole.value == pytest.approx(expected, abs=1e-7)
    assert states.value == pytest.approx(expected, abs=1e-7)
    assert states.bound.lower - 1e-9 <= float(whole.exact) <= states.bound.upper + 1e-9
    assert mo.formats.check_certificate(env, whole.certificate) == whole.exact
    for best in (whole, states):
        assert best.mechanism.revenue == pytest.approx(expected, abs=1e-7)
        assert mo.verify(best.mechanism).holds, mo.verify(best.mechanism)
        assert {c.name for c in mo.verify(best.mechanism)} == {"myopic", "per-period"}
    assert mo.verify(whole.mechanism, exact=True).holds
    problem = mo.Problem(env, *asked)
    assert problem.program()[0].size == (problem.size.rows, problem.size.columns, problem.size.nonzeros)


@pytest.mark.parametrize("objective", ["welfare", "revenue+welfare", "revenue+1/2*utility"])
def test_other_objectives(objective):
    env = random_markov(1, 2, 2, 2, 2, controlled=True)
    whole, states = (mo.optimum(env, "myopic", "per-period", objective, method=m) for m in ("program", "myopic"))
    assert states.value == pytest.approx(whole.value, abs=1e-8)
    goal, found = states.objective, states.mechanism
    worth = goal.revenue * found.revenue + goal.welfare * found.welfare + goal.utility * sum(found.utilities)
    assert worth == pytest.approx(states.value, abs=1e-7)


def test_participation_decides():
    # With interim or periodic participation myopic agents, who do not mind what is to come, give the whole first best
    # from two periods on; participation on paths lies between that and participation by period.
    for env in (battaglini(2), battaglini(3), random_markov(3, 1, 2, 2, 2)):
        order = [mo.optimum(env, "myopic", ir).value for ir in ("per-period", "epir", "periodic", "interim")]
        assert order == sorted(order)
        assert order[2] == pytest.approx(env.first_best, abs=1e-8)
        assert order[3] == pytest.approx(env.first_best, abs=1e-8)


def test_one_period_is_myerson():
    env = battaglini(1)
    assert mo.formats.certify(env, "myopic", "per-period").value == mo.formats.certify(env).value


def test_long_horizons_by_states():
    # A type that stays with probability 3/4: from the second period on the prior is 3/4 or 1/4 of the high value 2
    # against 1, so that price 2 earns 3/2 after a high and price 1 earns 1 after a low report.
    env = battaglini(60)
    problem = mo.Problem(env, "myopic", "per-period")
    assert choose(problem).name == "myopic"
    best = problem.solve()
    high, earned = np.array([0.4, 0.6]), 0.0
    earned += max(1.0, 2 * 0.6)
    stay = np.array([[0.75, 0.25], [0.25, 0.75]])
    for _ in range(59):
        earned += high @ np.array([max(1.0, 2 * 0.25), max(1.0, 2 * 0.75)])
        high = high @ stay
    assert best.value == pytest.approx(earned, abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(earned, abs=1e-7)
    assert best.bound.upper - best.bound.lower <= 1e-7
    with pytest.raises(mo.errors.LimitError, match="histories"):
        best.mechanism.to_mechanism()


def test_violations_are_told_and_replayed():
    env = battaglini(2)
    best = mo.optimum(env).mechanism
    found = mo.verify(best, mo.MyopicIC())[mo.MyopicIC()]
    if not found.holds:
        assert found.counterexample.replay(best) == pytest.approx(found.gain, abs=1e-9)
    exact = mo.verify(best, mo.MyopicIC(), exact=True)[mo.MyopicIC()]
    assert exact.gain == pytest.approx(found.gain, abs=1e-9)
    pushed = mo.SequenceMechanism(
        best.tree, best.allocation, [part + (np.arange(part.shape[1]) % 2)[None, :, None] for part in best.payment]
    )
    wrong = mo.verify(pushed, "myopic")
    (check,) = wrong.values()
    assert not check.holds
    assert check.counterexample.replay(pushed) == pytest.approx(check.gain, abs=1e-9)
    (again,) = mo.verify(pushed, "myopic", exact=True).values()
    assert again.gain == pytest.approx(check.gain, abs=1e-9)


@pytest.mark.parametrize(
    "asked",
    [
        ("bayesian", "per-period", None),
        ("myopic", "interim", None),
        ("myopic+adjacent", "per-period", None),
        ("myopic", "per-period", "no-subsidy"),
    ],
)
def test_where_periods_do_not_separate_the_method_refuses(asked):
    ic, ir, name = asked
    with pytest.raises(mo.InputError, match='method "myopic"'):
        mo.optimum(battaglini(2), ic, ir, subject_to=name, method="myopic")
    assert mo.optimum(battaglini(2), ic, ir, subject_to=name).value <= battaglini(2).first_best + 1e-8


def test_outside_options_and_myopic_agents():
    env = replace(battaglini(2), outside=["1/2"])
    free = mo.optimum(battaglini(2), "myopic", "per-period").value
    best = mo.optimum(env, "myopic", "per-period", exact=True)
    assert best.value == pytest.approx(free - 0.5, abs=1e-8)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize("ic", ["bayesian", "periodic-ex-post", "downward", "myopic+periodic-ex-post"])
def test_other_constraints_over_many_histories_are_not_taken_by_states(ic):
    problem = mo.Problem(battaglini(14), ic, "per-period")
    assert problem.size.histories > 2_000
    assert choose(problem).name != "myopic"
    limited = mo.Problem(battaglini(14), "myopic", "per-period", "budget:1")
    assert choose(limited).name != "myopic"


def test_reference_numbers():
    # types {1, 2, 4}, law (1/4, 1/4, 1/2), stay with probability 7/10 and else are any other
    distribution = ["1/4", "1/4", "1/2"]
    stay = [["7/10" if one == other else "3/20" for other in range(3)] for one in range(3)]
    env = mo.MarkovTypes([[[0] * 3, [1, 2, 4]]], [stay], [distribution], horizon=2)
    values = [mo.optimum(env, mo.MyopicIC(), ir).value for ir in ("per-period", "epir", "interim")]
    assert values == pytest.approx([4.075, 4.825, 5.3125], abs=1e-7)
    # the item costs 1/2, and use moves half of the probability to 4
    used = [["7/20", "3/40", "23/40"], ["3/40", "7/20", "23/40"], ["3/40", "3/40", "17/20"]]
    for periods, value in ((1, 1.75), (2, 3.49375), (3, 5.395295313), (4, 7.129605297)):
        table = [[[0] * 3, [1, 2, 4]]]
        env = mo.MarkovTypes(table, [[stay, used]], [distribution], cost=[0, "1/2"], horizon=periods, discount="9/10")
        assert mo.optimum(env, mo.MyopicIC(), mo.PPIR()).value == pytest.approx(value, abs=1e-7)
