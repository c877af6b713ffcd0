"""Every gain at every place, not only the largest: floats, fractions and the replay from the definition agree.

The places agree too: what is asked of types that never come, where a report cannot be made, and in which periods.
"""

from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.markov import MarkovTypes
from mechopt.families import PublicState, PublicStates
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS, PERSISTENT_CONSTRAINTS
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.independent import check as independent
from mechopt.verification.independent.exact import _Buyer
from mechopt.verification.independent.response import Payoffs
from mechopt.verification.persistent import check as persistent
from mechopt.verification.persistent.exact import _Agent
from mechopt.verification.persistent.hidden import hidden_best
from mechopt.verification.persistent.response import PersistentPayoffs
from mechopt.verification.persistent.strategy import open_strategy
from mechopt.verification.stationary import check as stationary
from mechopt.verification.stationary import exact as exact_stationary
from tests.closedform.markov_instances import random_environment
from tests.reporting_strategies import FAMILIES, random_mechanism
from tests.verification import cases
from tests.verification.test_agreement import SHAPES, absorbing, direct

HALF = ["1/2", "1/2"]
REPLAYED = 60
"""So many places of a constraint, spread over all of them, are replayed."""


def by_period(seed):
    """Two agents with 2 and 1 types, then 1 and 3."""
    return random_environment(((2, 1), (1, 3)), 2, 2, 0.9, seed)


def three_periods(seed):
    """One agent with 2, 3 and 2 types; from the second period on some moves have probability 0."""
    rng = np.random.default_rng(seed)
    first = [[0.5, 0.5, 0], [0, 0.25, 0.75]]
    then = [[[1, 0], [0, 1], [0.5, 0.5]], [[0, 1], [0.5, 0.5], [1, 0]]]
    values = [[rng.normal(size=(2, k)) for k in (2, 3, 2)]]
    return MarkovTypes(values, [[first, then]], [[0.25, 0.75]], horizon=3, discount=0.8)


def cannot_tell(seed):
    """After the report 0 agent 0 may report 0 or 1, whatever she is: type 2 stays, and must choose a misreport."""
    rng = np.random.default_rng(seed)
    kernel = [[[0.5, 0.5, 0], [0.25, 0.75, 0], [0, 0, 1]], [[0.5, 0.5], [0.25, 0.75]]]
    values = [rng.normal(size=(2, 3)), rng.normal(size=(2, 2))]
    return MarkovTypes(values, kernel, [[0.25, 0.25, 0.5], [0.5, 0.5]], horizon=3, discount=0.9)


def outside(seed):
    """Agents who discount by 1/2 and 4/5, with something outside that depends on type and period; unequal sizes."""
    rng, env = np.random.default_rng(seed), random_environment(((2, 1), (1, 3), (2, 2)), 2, 3, 0.9, seed)
    options = [[rng.normal(size=row[i]) for row in env.shape] for i in range(2)]
    return replace(env, outside=options, discounts=["1/2", "4/5"])


def public_state(seed):
    """Half of each agent's types are of either public state; one state is sure to follow itself."""
    base = mo.MarkovTypes([[[-1, 2], [0, 1]], [[1, 3], [2, -2]]], [[HALF, HALF]] * 2, [HALF] * 2, horizon=2)
    return PublicStates(base, PublicState(["0", "1"], HALF, [[1, 0], HALF]))


def one_agent_public_state(seed):
    """Every utility is below 0: the best of the reports that may be made is, too."""
    base = mo.MarkovTypes([[[-9, -7], [-8, -6]]], [[["1/4", "3/4"], HALF]], [HALF], horizon=3)
    return PublicStates(base, PublicState(["0", "1"], HALF, [HALF, HALF]))


def correlated_never(seed):
    """Types are correlated, and the second one of agent 0 never comes first."""
    rng = np.random.default_rng(seed)
    distribution = rng.dirichlet(np.ones(4), size=(2, 2, 2)).reshape(2, 2, 2, 2, 2)
    initial = [[0.25, 0.75], [0, 0]]
    return mo.InterdependentTypes(rng.normal(size=(2, 2, 2, 2)), distribution, initial, horizon=2, discount=0.8)


MORE = {
    "correlated-never": (correlated_never, "any", "relevant"),
    "outside": (outside, "consistent", "relevant"),
    "outside-any": (outside, "any", "all"),
    "public-state": (public_state, "consistent", "relevant"),
    "public-state-any": (one_agent_public_state, "any", "all"),
    "cannot-tell": (cannot_tell, "consistent", "relevant"),
    "types-by-period": (by_period, "any", "relevant"),
    "types-by-period-consistent": (by_period, "consistent", "all"),
    "three-periods": (three_periods, "consistent", "relevant"),
    "three-periods-any": (three_periods, "any", "relevant"),
    "never-comes": (absorbing, "consistent", "relevant"),
}
EVERY = FAMILIES | MORE


def spread(places, most=REPLAYED):
    return islice(places, 0, None, max(1, len(places) // most))


def assert_same(quick, slow, constraint):
    assert quick.keys() == slow.keys(), constraint
    for place, gain in slow.items():
        assert quick[place] == pytest.approx(float(gain), abs=1e-11), (constraint, place)


@pytest.mark.parametrize("family", EVERY.values(), ids=EVERY.keys())
@pytest.mark.parametrize("sparse", [False, True], ids=["all-actions", "limit"])
def test_persistent_types(family, sparse):
    mechanism = random_mechanism(family, 5, sparse)
    for constraint in PERSISTENT_CONSTRAINTS:
        if isinstance(constraint, mo.BayesianIC):
            continue
        quick, slow = {}, {}
        for i in range(mechanism.process.agents):
            agent = PersistentPayoffs(mechanism, i)
            for t in persistent._periods(constraint, mechanism.tree.horizon):
                found = persistent.GAINS[constraint](agent, t)
                for number in np.flatnonzero(np.isfinite(found.gain().ravel())):
                    quick[i, t, *found.at(int(number))] = found.gain().ravel()[number]
            slow |= {(i, *place): gain for gain, place in _Agent(mechanism, i).gains(constraint)}
        assert_same(quick, slow, constraint)
        told = {place[:4] for place in slow if place[3] == place[4]}  # where her true type is among the reports
        asked = [place for place in slow if place[:4] in told]
        for i, t, *where in {*spread(asked), *(place for place in asked if place[1] == 0)}:
            gain = float(slow[i, t, *where])
            example = persistent._counterexample(constraint, mechanism.tree, gain, i, t, where)
            assert example.outside == (mechanism.process.options is not None)
            assert example.replay(mechanism) == pytest.approx(gain, abs=1e-11), (constraint, i, t, where)


@pytest.mark.parametrize("family", EVERY.values(), ids=EVERY.keys())
@pytest.mark.parametrize("sees", ["all", "actions", "own"])
def test_strategies_of_every_first_type(family, sees):
    mechanism, constraint = random_mechanism(family, 6), mo.BayesianIC(sees)
    for i in range(mechanism.process.agents):
        agent = PersistentPayoffs(mechanism, i)
        best, truth = (agent if sees == "all" else hidden_best(agent, sees)).best_and_truth
        slow = {place: gain for gain, place in _Agent(mechanism, i).gains(constraint)}
        likely = np.flatnonzero(agent.first > 0)
        assert_same({(0, 0, k, k, -1, -1): (best - truth)[k] for k in likely.tolist()}, slow, constraint)
        for k in likely.tolist():
            strategy = open_strategy(agent, k) if sees == "all" else hidden_best(agent, sees).strategy(k)
            example = persistent._deviation(constraint, i, k, (best - truth)[k], strategy)
            assert example.replay(mechanism) == pytest.approx((best - truth)[k], abs=1e-11)


def with_outside(mechanism, seed, exactly=True):
    """The same mechanism where buyers have something outside, and discount by 1/2, 4/5 and 3/4."""
    rng, env = np.random.default_rng(seed), mechanism.environment
    options = [[rng.normal(size=len(part)) for part in row] for row in env.values]
    chances = env.exact.probabilities
    if not exactly:
        chances = [[rng.dirichlet(np.ones(len(part))) for part in row] for row in env.values]
    discounts = ["1/2", "4/5", "3/4"][: env.agents]
    changed = mo.IndependentTypes(env.exact.values, chances, discount="9/10", outside=options, discounts=discounts)
    assert (changed.exact is not None) == exactly
    return mo.Mechanism(changed, mechanism.allocation, mechanism.payment)


@pytest.mark.parametrize("more", ["plain", "outside", "outside-in-floats"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("constraint", INDEPENDENT_CONSTRAINTS, ids=lambda constraint: constraint.name)
def test_types_independent_across_periods(shape, constraint, more):
    mechanism = direct(shape, 7)
    if more != "plain":
        mechanism = with_outside(mechanism, 7, more == "outside")
    for i in range(mechanism.environment.agents):
        agent, quick = Payoffs(mechanism, i), {}
        for t in independent._periods(constraint, mechanism.tree.horizon):
            gain = independent.GAINS[constraint](agent, t, slice(0, mechanism.tree.count[t])).gain()
            for where in np.ndindex(*gain.shape):
                history, true, report, others, future = where
                quick[t, history, true, true if constraint.role == "ir" else report, others, future] = gain[where]
        slow = {place: gain for gain, place in _Buyer(mechanism, i).gains(constraint)}
        assert_same(quick, slow, constraint)
        for t, *where in spread(slow, 25):
            gain = float(slow[t, *where])
            example = independent._counterexample(constraint, mechanism, gain, i, t, where)
            assert example.outside == (more != "plain")
            assert example.replay(mechanism) == pytest.approx(gain, abs=1e-11), (constraint, i, t, where)


LOCAL = (mo.PeriodicExPostIC(), mo.PPIR(), mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR())


def described(example):
    return example.agent, example.period, example.true_type, example.report, example.others, example.before


def chain(horizon, listed=1):
    """Type 0 leads to 1, 1 to 2 and 2 to itself; type 3, from where all might follow, never comes.

    For ever: what is paid is listed for so many periods.
    """
    moves = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25]]
    env = MarkovTypes([[[0, 0, 0, 1]]], [moves], [[1, 0, 0, 0]], horizon=horizon, discount=0.5)
    stages, listed = (1, listed) if horizon == "infinite" else (horizon, horizon)
    return MarkovMechanism(env, [np.zeros(4, int)] * stages, [[np.array([0.0, 0.0, 1.0, 9.0])] * listed])


@pytest.mark.parametrize("exact", [False, True])
def test_types_that_come_late_are_asked_and_such_as_never_come_are_not(exact):
    """Type 2 pays 1 for ever, 2 in all; type 3 would pay 9, and is nobody."""
    found = mo.verify(chain("infinite"), [mo.PeriodicExPostIR(), mo.PPIR(), mo.PeriodicIR()], exact)
    assert found["periodic-ex-post-ir"].gain == pytest.approx(2)
    assert found["per-period"].gain == pytest.approx(1)
    assert found["periodic"].gain == pytest.approx(2 / 2)  # as of period 0, from the second one on
    assert {check.counterexample.true_type for check in found.values()} == {2}
    for horizon, periodic in ((2, 0), (3, 1 / 4)):  # it comes in the third period
        assert mo.verify(chain(horizon), mo.PPIR(), exact)["per-period"].gain == pytest.approx(periodic)


STATIONARY = {str(seed): (cases.stationary, seed) for seed in range(7)}
STATIONARY |= {f"chain-{horizon}": (chain, horizon) for horizon in (2, 3, "infinite")}
STATIONARY |= {f"chain-of-{listed}-listed": (partial(chain, listed=listed), "infinite") for listed in (2, 3)}


@pytest.mark.parametrize("name", STATIONARY)
def test_current_reports(name):
    make, which = STATIONARY[name]
    mechanism = make(which)
    values = [stationary.truthful_values(mechanism, i) for i in range(mechanism.environment.agents)]
    for constraint in LOCAL:
        quick = {}
        for i, t, found in stationary._cases(constraint, mechanism, values):
            for flat, gain in enumerate(found.gain.ravel().tolist()):
                if np.isfinite(gain):
                    place = found.leading, found.gain.shape
                    example = stationary._counterexample(constraint, i, t, place, flat, gain)
                    quick[described(example)] = example
        slow = {}
        for i in range(mechanism.environment.agents):
            for gain, place in exact_stationary._Agent(mechanism, i).gains(constraint):
                slow[tuple(place)] = float(gain)
        assert quick.keys() == slow.keys()
        for place, gain in slow.items():
            assert quick[place].gain == pytest.approx(gain, abs=1e-10)
        for place in islice(slow, 0, None, max(1, len(slow) // 40)):
            assert quick[place].replay(mechanism) == pytest.approx(slow[place], abs=1e-9)
