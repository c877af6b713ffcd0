"""Programs where types move against rows for every pure reporting strategy, written from the definitions."""

import pytest

import mechopt as mo
from tests.moving_exact import random_interdependent
from tests.moving_instances import random_markov, three_types
from tests.strategy_rows import InformedMisreport, OneMisreport, Strategies

SEES = ["all", "actions", "own"]


def two_agents(seed, **kinds):
    return random_markov(seed, agents=2, periods=2, actions=2, most=2, **kinds)


# By family: what makes an instance, and seeds, among them some where the less agents see the more is earned.
FAMILIES = {
    "steered": (lambda seed: two_agents(seed, controlled=True), (2, 5, 7)),
    "steered-with-zeros": (lambda seed: two_agents(seed, controlled=True, sparse=True), (2, 8, 15)),
    "of-its-own-with-zeros": (lambda seed: two_agents(seed, controlled=False, sparse=True), (7, 10)),
    "correlated": (lambda seed: random_interdependent(seed, zeros=False), (32, 54)),
    "correlated-with-zeros": (lambda seed: random_interdependent(seed, controlled=True), (1, 7)),
    "correlated-one-informed": (lambda seed: random_interdependent(seed, (2, 1), actions=3, controlled=False), (2, 4)),
}


@pytest.mark.parametrize("sees", SEES)
@pytest.mark.parametrize("family", FAMILIES)
def test_bayesian_notions_are_against_all_reporting_strategies(family, sees):
    make, seeds = FAMILIES[family]
    for seed in seeds:
        env = make(seed)
        best = mo.optimum(env, mo.BayesianIC(sees))
        assert best.value == pytest.approx(Strategies(env, sees).optimum(), abs=1e-7), seed


@pytest.mark.parametrize(("family", "seed", "less"), [("steered", 7, "own"), ("correlated", 54, "actions")])
def test_the_instances_tell_the_notions_apart(family, seed, less):
    env = FAMILIES[family][0](seed)
    more = {"own": "actions", "actions": "all"}[less]
    assert Strategies(env, less).optimum() > Strategies(env, more).optimum() + 0.1


@pytest.mark.parametrize("seed", range(3), ids=["first", "second", "with-zeros"])
def test_three_periods_of_hidden_actions(seed):
    env = random_markov(seed + 1, agents=1, periods=3, actions=2, most=2, controlled=True, sparse=seed == 2)
    best = mo.optimum(env, mo.BayesianIC("own"))
    assert best.value == pytest.approx(Strategies(env, "own").optimum(), abs=1e-7)


def uncontrolled(seed):
    return random_interdependent(seed, controlled=False)


@pytest.mark.parametrize("sees", ["all", "own"])
@pytest.mark.parametrize("make", [uncontrolled, FAMILIES["of-its-own-with-zeros"][0]], ids=["correlated", "markov"])
def test_participation_on_paths_is_that_of_every_path_of_types(make, sees):
    for seed in range(6, 12):
        best = mo.optimum(make(seed), mo.BayesianIC(sees), mo.EPIR())
        assert best.value == pytest.approx(Strategies(make(seed), sees).optimum(ex_post=True), abs=1e-7), seed


@pytest.mark.parametrize("seed", range(4))
def test_three_periods_of_one_agent_ex_post(seed):
    env = random_markov(seed, agents=1, periods=3, actions=2, most=2, controlled=False, sparse=seed % 2 == 1)
    best = mo.optimum(env, ir=mo.EPIR())
    assert best.value == pytest.approx(Strategies(env).optimum(ex_post=True), abs=1e-7)


@pytest.mark.parametrize("notion", [mo.AdjacentIC(), mo.DownwardIC()], ids=["adjacent", "downward"])
def test_local_notions_are_one_misreport_and_then_the_truth(notion):
    steps = (-1, 1) if notion == mo.AdjacentIC() else (-1,)
    for env in (three_types(), random_markov(1, 2, 2, 2), random_markov(7, 2, 2, 2), random_markov(5, 2, 2, 2)):
        assert mo.optimum(env, notion).value == pytest.approx(OneMisreport(env, steps).optimum(), abs=1e-7)


@pytest.mark.parametrize("notion", [mo.AdjacentIC(), mo.DownwardIC()], ids=["adjacent", "downward"])
def test_local_notions_go_on_with_the_truth_where_types_are_correlated(notion):
    """A liar's beliefs about the others are not those of the type she reported: she might want to lie again."""
    steps = (-1, 1) if notion == mo.AdjacentIC() else (-1,)
    for seed in range(4):
        env = random_interdependent(seed, zeros=False, controlled=False, discount=1)
        best = mo.optimum(env, notion, mo.EPIR())
        assert best.value == pytest.approx(OneMisreport(env, steps).optimum(ex_post=True), abs=1e-7), seed


# Only the high type exists. She is worth 2 a period and pays it, whatever the impossible low type would pay: 4.
LOW_IS_IMPOSSIBLE = mo.MarkovTypes(
    values=[[[1, 2], [1, 2]]],
    kernel=[[[[1, 0], [0, 1]], [["1/2", "1/2"], [0, 1]]]],
    initial=[[0, 1]],
    horizon=2,
)


@pytest.mark.parametrize("ir", [mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR(), mo.EPIR(), mo.PPIR()], ids=repr)
@pytest.mark.parametrize("ic", [mo.BayesianIC("own"), mo.PeriodicExPostIC(rereport=True)], ids=["own", "rereport"])
def test_impossible_types_need_not_be_willing_to_take_part(ic, ir):
    best = mo.optimum(LOW_IS_IMPOSSIBLE, ic, ir)
    assert best.value == pytest.approx(4)
    assert mo.verify(best.mechanism, [*best.mechanism.claims, mo.Interim()]).holds


@pytest.mark.parametrize("family", ["steered", "correlated"])
def test_periodic_ex_post_is_one_misreport_at_any_history_with_the_others_types_known(family):
    for seed in range(4):
        env = FAMILIES[family][0](seed)
        best = mo.optimum(env, mo.PeriodicExPostIC())
        assert best.value == pytest.approx(InformedMisreport(env).optimum(), abs=1e-7), seed
