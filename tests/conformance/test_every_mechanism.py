"""Every mechanism on every environment that it is for, through the suite that ships as `mechopt.testing`."""

import pytest

import mechopt as mo
from mechopt.core.errors import MechoptError
from mechopt.solve.dual.optimum import dual_optimum
from mechopt.solve.promised.optimum import promised_optimum
from mechopt.study.compare.independent import BUILDERS, CONVERSIONS
from mechopt.study.compare.persistent import INTERDEPENDENT, MARKOV, SEPARABLE
from mechopt.testing import check_mechanism
from tests.interdependent_instances import random_environment

HALF = ["1/2", "1/2"]
STAY = [["3/4", "1/4"], ["1/4", "3/4"]]

INDEPENDENT = {
    "one-buyer": mo.IndependentTypes.iid([1, 2], HALF, horizon=2),
    "two-buyers-unequal": mo.IndependentTypes(
        [[[1, 3], [2]], [[0, 2, 5], [1, 4]]],
        [[["1/3", "2/3"], ["1"]], [["1/2", "0", "1/2"], HALF]],
        cost=["1/2", 0],
        discount="9/10",
    ),
    "one-type": mo.IndependentTypes.iid([3], ["1"], horizon=3, discount="1/2"),
    "one-period": mo.IndependentTypes.iid([1, 2, 4], ["1/4", "1/4", "1/2"], horizon=1, agents=2),
    "nothing-is-worth-its-cost": mo.IndependentTypes.iid([1, 2], HALF, horizon=2, cost=3),
    "negative-cost": mo.IndependentTypes.iid([0, 2, 3], ["1/2", "1/4", "1/4"], horizon=2, agents=2, cost=[-1, "1/2"]),
    "seller-values": mo.IndependentTypes.iid([1, 2], HALF, horizon=2, agents=2, cost="1/2", seller_values=[1, -2]),
    "two-units": mo.IndependentTypes.iid([1, 2], HALF, horizon=1, agents=3, cost="1/2", supply=2),
    "slots": mo.IndependentTypes.iid([0, 2, 3], ["1/2", "1/4", "1/4"], horizon=2, agents=2, slots=[1, "1/2"]),
}
PERSISTENT = {
    "two-agents": mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [STAY] * 2, [HALF] * 2, cost=[0, "1/2"], horizon=2),
    "zero-probability": mo.MarkovTypes(
        [[[0, 0, 0], [1, 2, 3]]], [[[1, 0, 0], ["1/2", "1/2", 0], [0, 0, 1]]], [["1/2", "1/2", "0"]], horizon=3
    ),
    "one-period": mo.MarkovTypes([[[0, 0], [1, 2]]], [STAY], [HALF], horizon=1),
    "seller-values": mo.MarkovTypes(
        [[[0, 0], [1, 2]]] * 2,
        [STAY] * 2,
        [HALF] * 2,
        cost=[-1, "1/2"],
        horizon=2,
        seller_values=[[[0, 0], [2, 2]], [[-1, -1], [0, 0]]],
    ),
    "infinite": mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [STAY] * 2, [HALF] * 2, cost=[0, "1/2"], discount="1/2"),
    "stock": mo.families.inventory(1, [[1, 3]], [HALF], [STAY], horizon=2, cost="1/2"),
}
CONTRACTS = {
    "one-buyer": mo.SeparableTypes([[1, 2]], [HALF], [[[0, 0], [1, 2]]], [HALF], [STAY], cost=[0, "1/2"], horizon=2),
    "two-buyers": mo.SeparableTypes(
        [[1, 2]] * 2, [HALF] * 2, [[[0, 0], [1, 2]]] * 2, [HALF] * 2, [STAY] * 2, cost=[0, "1/2"], horizon=1
    ),
}
JOINT = {
    "two-agents": random_environment(5, sizes=(2, 2), horizon=3, private_last=True),
    "cost": random_environment(8, sizes=(2, 2), horizon=2, private_last=True, cost=True),
    "infinite": random_environment(7, sizes=(2, 2), horizon="infinite"),
}


def cases(environments, builders):
    return [
        pytest.param(build, env, id=f"{name}-{place}")
        for name, build in builders.items()
        for place, env in environments.items()
    ]


def built(build, environment):
    """The mechanism, or a skip with its own reason where it is not for the environment."""
    try:
        return build(environment)
    except MechoptError as error:
        pytest.skip(str(error))


def finite(environments):
    return {name: env for name, env in environments.items() if env.horizon != "infinite"}


def test_every_builder_is_for_one_of_the_environments_at_least():
    for environments, builders in ((INDEPENDENT, BUILDERS), (PERSISTENT, MARKOV), (CONTRACTS, SEPARABLE)):
        for name, build in builders.items():
            if name != "virtual-index":  # with an infinite horizon alone; see below
                assert any(_applies(build, env) for env in environments.values()), name


def _applies(build, environment):
    try:
        build(environment)
    except MechoptError:
        return False
    return True


@pytest.mark.parametrize(("build", "env"), cases(INDEPENDENT, BUILDERS))
def test_closed_forms_for_independent_types(build, env):
    passed = check_mechanism(built(build, env)).passed
    assert {"claims", "optimum", "simulation", "file"} <= set(passed)


@pytest.mark.parametrize(("build", "env"), cases(INDEPENDENT, CONVERSIONS))
def test_what_is_made_of_the_optimum(build, env):
    check_mechanism(built(lambda env: build(mo.optimum(env).mechanism), env))


OPTIMA = {
    "dic-epir": lambda env: mo.optimum(env).mechanism,
    "super-dic": lambda env: mo.optimum(env, mo.SuperDIC()).mechanism,
    "per-period": lambda env: mo.optimum(env, [mo.PPIC(), mo.INDU()], mo.PPIR()).mechanism,
}


@pytest.mark.parametrize(("build", "env"), cases(INDEPENDENT, OPTIMA))
def test_optima_for_independent_types(build, env):
    assert "optimum" in check_mechanism(build(env)).passed


ONE = {name: INDEPENDENT[name] for name in ("one-buyer", "one-type")}


@pytest.mark.parametrize("env", ONE.values(), ids=ONE)
def test_policies_over_promises_and_their_bank_tables(env):
    """Lotteries are replaced by their means in files, which the bracket of 1e-6 leaves room for."""
    policy = promised_optimum(env).mechanism
    check_mechanism(policy, tolerance=1e-5)
    check_mechanism(policy.to_bank_table(), tolerance=1e-5)


@pytest.mark.parametrize(
    "env", [INDEPENDENT["two-buyers-unequal"], INDEPENDENT["one-period"]], ids=["unequal", "one-period"]
)
def test_policies_of_several_buyers(env):
    check_mechanism(dual_optimum(env).mechanism, tolerance=1e-3)


@pytest.mark.parametrize("env", [PERSISTENT["zero-probability"], PERSISTENT["one-period"]], ids=["zero", "one-period"])
def test_policies_of_one_agent_with_persistent_types(env):
    check_mechanism(dual_optimum(env).mechanism, tolerance=1e-3)


PIVOTS = {"dynamic-pivot-as-it-is": mo.dynamic_pivot, **MARKOV}


@pytest.mark.parametrize(("build", "env"), cases(PERSISTENT, PIVOTS))
def test_closed_forms_for_persistent_types(build, env):
    mechanism = built(build, env)
    apart = isinstance(mechanism, mo.results.BalancedMechanism) and env.horizon == "infinite"
    skip = ("simulation", "file", "table") if apart else ()  # it remembers the last reports, and has no form of files
    assert {"claims", "simulation", "file"} - set(skip) <= set(check_mechanism(mechanism, skip=skip).passed)


PERSISTENT_OPTIMA = {
    "bayesian": lambda env: mo.optimum(env).mechanism,
    "periodic-ex-post": lambda env: mo.optimum(env, mo.PeriodicExPostIC()).mechanism,
}


@pytest.mark.parametrize(("build", "env"), cases(finite(PERSISTENT) | CONTRACTS | finite(JOINT), PERSISTENT_OPTIMA))
def test_optima_for_persistent_types(build, env):
    mechanism = build(env)
    left_out = ["simulation"] if mechanism.limit else []
    assert "optimum" in check_mechanism(mechanism, skip=left_out).passed


MENUS = {"virtual-pivot": mo.virtual_pivot, "optimal-contract": mo.optimal_contract} | {
    f"{name}-written-out": build for name, build in SEPARABLE.items() if name != "virtual-index"
}


@pytest.mark.parametrize(("build", "env"), cases(CONTRACTS, MENUS))
def test_contracts(build, env):
    check_mechanism(built(build, env))


AS_THEY_ARE = {
    method: lambda env, method=method: mo.contingent_transfers(env, method) for method in ("convex", "spanning")
}


@pytest.mark.parametrize(("build", "env"), cases(JOINT, AS_THEY_ARE | INTERDEPENDENT))
def test_transfers_for_interdependent_values(build, env):
    """With an infinite horizon transfers are checked and saved as they are, and are not written out."""
    left_out = ["simulation", "table"] if env.horizon == "infinite" else []
    assert {"claims", "file"} <= set(check_mechanism(built(build, env), skip=left_out).passed)
