"""Mechanisms for ever with finitely many states: every gain by plain loops, by replay, and with bounds in fractions."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.verification.rounding import Status
from mechopt.verification.states import check, exact
from mechopt.verification.states.exact import InFractions
from mechopt.verification.states.response import Response
from tests.verification.states.raw_states import HALF, Raw, chain, mechanism

STATES = (mo.BayesianIC(), mo.MyopicIC(), mo.Interim(), mo.PeriodicIR(), mo.PPIR(), mo.PFIR(), mo.EPIR())


@cache
def loops(name, i):
    return Raw(mechanism(CASES[name][0]), i)


@cache
def by_loops(name, i, constraint):
    return loops(name, i).gains(constraint)


CASES = {
    "one-agent": (chain(1), (*STATES, mo.PeriodicExPostIC())),
    "one-agent-of-three-types": (chain(1, sizes=(3,)), (*STATES, mo.PeriodicExPostIC())),
    "two-agents": (chain(2), STATES),
    "two-agents-in-floats": (chain(2, exactly=False), STATES),
    "independent-across-periods": (chain(2, fresh=True), (*STATES, mo.DIC())),
}


@pytest.mark.parametrize("kind", [Response, InFractions])
@pytest.mark.parametrize("name", CASES)
def test_every_gain_by_loops_and_by_replay(name, kind):
    env, constraints = CASES[name]
    m = mechanism(env)
    for i in range(env.agents):
        response = kind(m, i)
        for constraint in constraints:
            gain, rounding = check.GAINS[constraint](response)
            wanted = by_loops(name, i, constraint)
            finite = {place for place in np.ndindex(gain.shape) if np.isfinite(gain[place]) and gain[place] != 0}
            assert finite <= wanted.keys(), constraint
            for place, value in wanted.items():
                assert gain[place] == pytest.approx(value, abs=1e-11), (constraint, place)
            assert 0 < rounding < 1e-10
            if kind is Response:
                for s, k, r in list(wanted)[:: max(1, len(wanted) // 5)]:
                    true = None if constraint in (mo.PPIR(), mo.PFIR(), mo.EPIR()) else k
                    told = r if constraint.role == "ic" else true
                    found = check.StateCounterexample(constraint, i, 0, (), true, told, 0.0, state=s)
                    assert found.replay(m) == pytest.approx(wanted[s, k, r], abs=1e-8), (constraint, s, k, r)


@pytest.mark.parametrize("in_fractions", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_worst_place_is_reported(name, in_fractions):
    env, constraints = CASES[name]
    m = mechanism(env)
    report = check.verify_states(m, constraints, in_fractions)
    for constraint in constraints:
        found, gains = report[constraint].counterexample, {}
        for i in range(env.agents):
            gains |= {(i, *place): gain for place, gain in by_loops(name, i, constraint).items()}
        worst = max(gains.values())
        assert report[constraint].gain == pytest.approx(max(worst, 0.0), abs=1e-10)
        if worst > 0:
            assert report[constraint].status is Status.VIOLATED
            place = (
                found.agent,
                found.state,
                found.true_type or 0,
                (found.report or 0) if constraint.role == "ic" else 0,
            )
            assert gains[place] == pytest.approx(worst, abs=1e-10)
            assert (
                found.period
                == loops(name, found.agent).first(constraint.role != "ic" or constraint == mo.MyopicIC())[found.state]
            )
            assert (found.true_type is None) == (constraint in (mo.PPIR(), mo.PFIR(), mo.EPIR()))
        if constraint.role == "ic":
            assert report[constraint].strategy_gain == report[constraint].gain


def perturbed(kind, m, i):
    """Values that are wrong by 1/64 at one state and type, with what that leaves in the recursion, in fractions."""
    response = kind(m, i)
    truth, best = np.round(response.truth * 64) / 64, np.round(response.best * 64) / 64
    truth[1, 0] += 1 / 64
    response.__dict__["truth"], response.__dict__["best"] = truth, best
    return response


def residuals(m, i, response):
    """Largest residuals of truth and of the best report, and what a step in floats is off by after either.

    In fractions of the environment's own numbers.
    """
    truth, best = response.truth, response.best
    env, raw = m.environment, Raw(m, i)
    numbers = env.exact if env.exact is not None else env
    distribution = {}
    for j in range(env.agents):
        for s in range(m.states):
            distribution[j, s] = [Fraction(float(x)) for x in m.distributions[j][s]]
            if env.exact is not None:
                rows = [(env.initial[j], env.exact.initial[j])]
                for a in range(2):
                    rows += list(zip(env.kernel[j][0][a], env.exact.kernel[j][0][a], strict=True))
                distribution[j, s] = next(list(own) for row, own in rows if (row == m.distributions[j][s]).all())

    def report(s, k, r, later):
        total = Fraction(0)
        for p, profile in enumerate(raw.profiles):
            chance = Fraction(profile[i] == r)
            for j in range(env.agents):
                chance *= 1 if j == i else distribution[j, s][profile[j]]
            for a in range(2):
                gain = Fraction(numbers.values[i][0][a][k]) - Fraction(float(m.payment[i, s, p, a]))
                for to, share, coin in raw.entries[s, p, a]:
                    chances = numbers.kernel[i][0][a][k]
                    ahead = sum(Fraction(c) * Fraction(float(later[to, own])) for own, c in enumerate(chances))
                    gain += Fraction(float(share)) * (Fraction(1, 4) * ahead - Fraction(float(coin)))
                total += chance * Fraction(float(m.allocation[s, p, a])) * gain
        return total

    worst = [Fraction(0)] * 4
    floats = [response.reports(truth), response.reports(best)]
    for s, k in product(range(m.states), raw.types):
        here = {r: report(s, k, r, truth) for r in raw.types}
        for n, value in enumerate((truth, best)):
            steps = (abs(report(s, k, r, value) - Fraction(float(floats[n][s, k, r]))) for r in raw.types)
            worst[2 + n] = max(worst[2 + n], *steps)
        worst[0] = max(worst[0], abs(here[k] - Fraction(float(truth[s, k]))))
        allowed = [r for r in raw.types if m.distributions[i][s, r] > 0]
        tried = max(report(s, k, r, best) for r in allowed)
        worst[1] = max(worst[1], abs(tried - Fraction(float(best[s, k]))))
    return worst


def not_below(number):
    """The least float that is not below a fraction."""
    here = float(number)
    while Fraction(here) < number:
        here = float(np.nextafter(here, np.inf))
    return here


@pytest.mark.parametrize("name", ["one-agent", "two-agents", "two-agents-in-floats"])
def test_values_that_are_off_are_bounded_by_what_they_leave(name):
    """The residual over 1 - d; in fractions to the last digit."""
    m = mechanism(CASES[name][0])
    for i in range(m.environment.agents):
        response = perturbed(InFractions, m, i)
        truth, best, *steps = residuals(m, i, response)
        assert response.truth_error == not_below(truth / Fraction(3, 4))
        assert response.best_error == not_below(best / Fraction(3, 4))
        size = np.abs(response.truth).max() + np.abs(response.best).max() + np.abs(response.flow).max()
        off = max(not_below(step) for step in steps)
        assert response.step == off + 4 * 2.0**-53 * float(size)
        quick = perturbed(Response, m, i)
        assert quick.truth_error == pytest.approx(float(truth) / 0.75, rel=1e-9)
        assert quick.best_error == pytest.approx(float(best) / 0.75, rel=1e-9)


def sale(discount="1/2", price=1.0, coin=0.0, horizon="infinite"):
    """One state: sell at a price to a buyer who values the item at 0 or 2."""
    env = mo.MarkovTypes([[[0, 0], [0, 2]]], [[HALF] * 2], [HALF], horizon=horizon, discount=discount)
    sold = np.array([[[1.0, 0], [0, 1]]])
    paid, after = [[[[0.0, price]] * 2]], csr_array(np.ones((4, 1)))
    return StateMechanism(env, [np.full((1, 2), 0.5)], sold, paid, after, np.full((1, 4), coin))


def test_rounding_of_a_step_is_counted():
    """2 profiles, 2 actions, one next state, 2 x 2 types, 1 agent and 12, four times; sizes 2, 5, 1/4 and twice V."""
    unequal = Response(mechanism(chain(2)), 1)  # 6 profiles, 2 actions, 2 sides, 2 x 3 types, 2 agents
    m = unequal.mechanism
    size = np.abs(m.environment.values[1][0]).max() + np.abs(m.payment[1][m.allocation > 0]).max()
    size += np.abs(m.extra[1]).max() + 2 * np.abs(unequal.truth).max()
    assert unequal.step == pytest.approx(8 * (6 + 2 + 2 + 2 * 3 + 2 + 12) * 2.0**-53 * size, rel=1e-12, abs=0)
    m = sale(price=5.0, coin=0.25)
    response = Response(m, 0)
    truth = np.abs(response.truth).max()
    size, depth = 2 + 5 + 0.25 + 2 * truth, 4 * (2 + 2 + 1 + 2 * 2 + 1 + 12)
    step = 2 * depth * 2.0**-53 * size
    assert response.step == pytest.approx(step, rel=1e-12, abs=0)
    response.__dict__["truth"] = response.truth + 1.0
    left = 1 - 0.5 * (1 + 4 * 2.0**-53)
    larger = 2 * depth * 2.0**-53 * (2 + 5 + 0.25 + 2 * np.abs(response.truth).max())
    assert response.truth_error == pytest.approx((0.5 + larger) / left, rel=1e-13)


def test_rounding_in_each_gain():
    """A strategy is off by what either value is, and by two steps; one report by truth twice; participation once."""

    class Fixed(Response):
        truth_error, best_error, step = 1e-3, 1e-5, 1e-7

    response = Fixed(mechanism(chain(1)), 0)
    wanted = {
        mo.BayesianIC(): 1e-5 + 1e-3 + 2e-7,
        mo.PeriodicExPostIC(): 1e-5 + 1e-3 + 2e-7,
        mo.DIC(): 2e-3 + 2e-7,
        mo.Interim(): 1e-3 + 1e-7,
        mo.PeriodicIR(): 1e-3 + 1e-7,
        mo.PPIR(): 2e-7,
        mo.MyopicIC(): 2e-7,
        mo.EPIR(): 2e-7 / 0.75,
        mo.PFIR(): 2e-7 / 0.75,
    }
    for constraint, rounding in wanted.items():
        assert check.GAINS[constraint](response).rounding == pytest.approx(rounding, rel=1e-6, abs=0), constraint


def test_paths_are_followed_until_they_are_found(monkeypatch):
    """Sums of 1, 1 + 1/2, ...: what is left out after three sweeps is in the bound."""
    m = sale(price=3.0, discount="1/2")  # the path of high reports loses 1 a period: 2 in all
    found = check.GAINS[mo.EPIR()](Response(m, 0))
    assert found.gain.item() == pytest.approx(2, abs=1e-14) and found.rounding < 1e-12
    monkeypatch.setattr(check, "MAX_SWEEPS", 3)
    found = check.GAINS[mo.EPIR()](Response(m, 0))
    assert found.gain.item() == 1.75 and found.rounding == pytest.approx(2 * 0.25, rel=1e-9)


def test_paths_on_which_nothing_is_lost_are_found_at_once():
    """Two steps of rounding, for ever: in floats as they are."""
    response = Response(sale(price=0.0), 0)
    response.__dict__["step"] = 2.0**-20
    found = check.GAINS[mo.PFIR()](response)
    assert found.gain.item() == 0 and found.rounding == 2.0**-19 / (1 - 0.5 * (1 + 4 * 2.0**-53))


def test_what_is_not_checked_is_refused():
    two, one = mechanism(chain(2)), mechanism(chain(1))
    with pytest.raises(InputError, match="is checked for ever with one agent; take bayesian"):
        mo.verify(two, mo.PeriodicExPostIC())
    with pytest.raises(InputError, match="'dic' is for types that are independent across periods"):
        mo.verify(two, mo.DIC())
    with pytest.raises(InputError, match="is not checked for ever, state by state"):
        mo.verify(one, mo.AdjacentIC())
    assert list(mo.verify(one)) == [mo.BayesianIC(), mo.Interim()]
    assert list(mo.verify(replace(one, claims=(mo.EPIR(),)))) == [mo.EPIR()]


def test_types_are_fresh_where_every_row_is_the_first_distribution():
    assert check.fresh(chain(2, fresh=True)) and not check.fresh(chain(2))
    distribution = [0.5, 0.5]
    for off, fresh in ((0.0, True), (1e-10, False)):
        kernel = [[[distribution, distribution], [distribution, [0.5 + off, 0.5 - off]]], [distribution, distribution]]
        env = mo.MarkovTypes([[[0, 1], [1, 0]]] * 2, kernel, [distribution] * 2, horizon="infinite", discount="1/2")
        assert check.fresh(env) is fresh


def test_steps_in_fractions_are_counted_before(monkeypatch):
    """Entries of transitions times the square of the most types."""
    m = mechanism(chain(2))
    steps = m.after.nnz * 9
    monkeypatch.setattr(exact, "MAX_ENTRIES", steps - 1)
    with pytest.raises(LimitError, match=f"20 states have {steps:,} steps, above {steps - 1:,}, in fractions"):
        mo.verify(m, mo.Interim(), exact=True)
    assert check.verify_states(m, mo.Interim()) is not None  # not in fractions unless asked
    monkeypatch.setattr(exact, "MAX_ENTRIES", steps)
    assert mo.verify(m, mo.Interim(), exact=True) is not None


def lent(first):
    """After the report 1, which never is true, a report of 1 is paid 9; elsewhere nothing is."""
    distribution = {"never": ["1", "0"], "always": ["0", "1"]}[first]
    env = mo.MarkovTypes([[[0, 0]]], [[distribution] * 2], [distribution], horizon="infinite", discount="1/4")
    paid = np.zeros((1, 2, 2, 1))
    paid[0, 1, 1, 0] = -9.0
    after = csr_array(np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]]))
    return StateMechanism(env, [np.array([env.initial[0]] * 2)], np.ones((2, 2, 1)), paid, after)


def test_a_state_that_only_misreports_lead_to_has_the_period_in_which_they_do():
    found = mo.verify(lent("never"), mo.DIC())["dic"]
    example = found.counterexample
    assert (example.state, example.period, found.gain) == (1, 1, 9 / 4)
    assert mo.verify(lent("never"), mo.PPIR())["per-period"].gain == 0


def test_a_state_that_misreports_enter_sooner_is_asked_when_truth_comes_there():
    """0 leads to 1 and 1 to 2, where 9 are paid; from 0 the report 1, which never is true, leads there at once."""
    env = mo.MarkovTypes([[[0, 0]]], [[["1", "0"]] * 2], [["1", "0"]], horizon="infinite", discount="1/4")
    paid = np.zeros((1, 3, 2, 1))
    paid[0, 2] = 9.0
    after = csr_array(np.eye(3)[[1, 2, 2, 2, 2, 2]])
    m = StateMechanism(env, [np.array([env.initial[0]] * 3)], np.ones((3, 2, 1)), paid, after)
    found = mo.verify(m, mo.PPIR())["per-period"]
    assert (found.gain, found.counterexample.state, found.counterexample.period) == (9 / 16, 2, 2)


def test_what_is_asked_of_nobody_is_nowhere():
    """Type 0 has probability 0: where nothing is known of a value, type 1 is shown."""

    class Unknown(Response):
        truth_error = np.inf

    report = check.check_responses([Unknown(lent("always"), 0)], [mo.Interim()], 1.0)
    assert report["interim"].status is Status.VIOLATED and report["interim"].counterexample.true_type == 1


def test_a_replay_goes_on_until_what_is_left_is_worth_nothing():
    """Discount 9/10: 1/2 is lost now and in each of the periods after, 1 by the high type."""
    m = sale(price=3.0, discount="9/10")
    found = mo.verify(m, mo.Interim())["interim"]
    assert found.gain == pytest.approx(1 + 9 / 2, abs=1e-9)
    assert found.counterexample.replay(m) == pytest.approx(1 + 9 / 2, abs=1e-8)


def test_words():
    m = sale(price=3.0)
    report = mo.verify(m, [mo.Interim(), mo.PPIR(), mo.BayesianIC(), mo.MyopicIC()])
    assert str(report["interim"].counterexample) == "agent 0, state 0: the utility of type 1 is -1.5"
    assert str(report["per-period"].counterexample) == "agent 0, state 0: the utility of some path is -1"
    words = "agent 0, state 0: type 1 gains 1.5 by a strategy that reports 0 first"
    assert str(report["bayesian"].counterexample) == words
    words = "agent 0, state 0: type 1 reports 0 and gains 1 in the period"
    assert str(report["myopic"].counterexample) == words
    assert report["interim"].counterexample.to_dict()["state"] == 0


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_a_misreport_that_gains_little_of_little_money_is_followed(scale):
    """Type 1, who comes half of the time, buys what is worth 1 to her for 1 + 1/20,000, type 0 nothing. To say 0 for
    ever gains 1/20,000 now and 1/2 of that, at a discount of 1/2, later. Strategies were improved where that was worth
    1e-13 of some money at least, and what gains less was undecided."""
    env = mo.MarkovTypes([[[0, 0], [0, scale]]], [[HALF] * 2], [HALF], horizon="infinite", discount="1/2")
    price = scale * (1 + 1 / 20_000)
    sold, paid = np.eye(2)[None], np.array([[[[0, 0], [0, price]]]])
    m = StateMechanism(env, [np.array([[0.5, 0.5]])], sold, paid, csr_array(np.ones((4, 1))), np.zeros((1, 4)))
    for fractions in (False, True):
        found = mo.verify(m, mo.BayesianIC(), exact=fractions)["bayesian"]
        assert found.status == "violated"
        assert found.gain == pytest.approx(1.5 * scale / 20_000, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-15, 1e12])
def test_an_honest_sale_of_any_scale_is_satisfied(scale):
    """At 1/2 of what it is worth to who buys; what nobody pays does not count, however much it is."""
    env = mo.MarkovTypes([[[0, 0], [0, scale]]], [[HALF] * 2], [HALF], horizon="infinite", discount="1/2")
    paid = scale * np.array([[[[0, 1e20], [1e20, 0.5]]]])
    m = StateMechanism(env, [np.array([[0.5, 0.5]])], np.eye(2)[None], paid, csr_array(np.ones((4, 1))))
    for fractions in (False, True):
        assert mo.verify(m, [mo.BayesianIC(), mo.Interim(), mo.PeriodicIR()], exact=fractions).holds


def test_a_float_that_is_not_below():
    third = exact._above(Fraction(1, 3))
    assert third >= Fraction(1, 3) > np.nextafter(third, 0)
    assert (exact._above(Fraction(0)), exact._above(Fraction(1, 2))) == (0, 0.5)


def test_values_some_of_which_are_beyond_floats_are_violations():
    env = mo.MarkovTypes([[[0, 0], [0, 1]]], [[HALF] * 2], [HALF], horizon="infinite", discount="1/2")
    m = StateMechanism(
        env, [np.array([[0.5, 0.5]])], np.eye(2)[None], np.zeros((1, 1, 2, 2)), csr_array(np.ones((4, 1)))
    )
    for value in ([[0.0, np.inf]], [[np.nan, 0.0]]):
        assert InFractions(m, 0)._off(np.array(value)) == (np.inf, np.inf, np.inf)
