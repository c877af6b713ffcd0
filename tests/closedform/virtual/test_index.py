"""Virtual indices: the policy against the joint program, the price of service against the general payment."""

import numpy as np
import pytest

from mechopt.closedform.pivot.gittins import gittins_indices
from mechopt.closedform.virtual.index import virtual_index
from mechopt.core.errors import InputError
from mechopt.environment.families.learning import sponsored_search
from mechopt.environment.separable import SeparableTypes

HALF = ["1/2", "1/2"]


def projects(seed, forms=("multiplicative", "additive"), idle=True, cost=True):
    """Each action serves one agent; signals 3 and 2, types 2 and 3."""
    rng = np.random.default_rng(seed)
    agents, first = range(2), int(idle)
    actions = range(2 + first)
    types, signals = (2, 3), (3, 2)
    rates = [[float(a == i + first) for a in actions] if form == "additive" else None for i, form in enumerate(forms)]
    return SeparableTypes(
        initial_values=[np.arange(k) for k in types],
        initial_probabilities=[rng.dirichlet(4 * np.ones(k)) for k in types],
        level=[np.sort(rng.uniform(0.5, 2, size=k)) for k in types],
        base=[
            [rng.uniform(0, 1, size=z) if a == i + first else np.zeros(z) for a in actions]
            for i, z in enumerate(signals)
        ],
        signal_initial=[rng.dirichlet(np.ones(z)) for z in signals],
        signal_kernel=[
            [rng.dirichlet(np.ones(z), size=z) if a == i + first else np.eye(z) for a in actions]
            for i, z in zip(agents, signals, strict=True)
        ],
        form=list(forms),
        rate=rates,
        cost=[0.1] * first + rng.uniform(0.1, 0.3, size=2).tolist() if cost else 0,
        discount=0.8,
    )


CASES = {
    "multiplicative": (("multiplicative", "multiplicative"), True, True),
    "additive": (("additive", "additive"), True, True),
    "one-of-each": (("multiplicative", "additive"), True, False),
    "somebody-must-be-served": (("multiplicative", "additive"), False, True),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in CASES.items()])
@pytest.mark.parametrize("seed", range(4))
def test_the_index_policy_attains_the_joint_program(case, seed):
    mechanism = virtual_index(projects(seed, *case))
    assert mechanism.discrepancy <= 1e-10
    assert mechanism.profit == pytest.approx(mechanism.pivot.bound, abs=1e-9)


@pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in CASES.items()])
def test_the_price_of_service_is_the_payment(case):
    mechanism = virtual_index(env := projects(7, *case))
    compared = 0
    for profile in np.ndindex(*env.initial_shape):
        here = mechanism.pivot.phase(profile)
        for i in here.members:
            paid = mechanism.pivot.payment(i, profile)[0]
            price = np.broadcast_to(np.expand_dims(mechanism.price(i, profile), here.members.index(i)), paid.shape)
            served = here.policy[0] == mechanism.served[i]
            np.testing.assert_allclose(paid[served], price[served], atol=1e-10)
            compared += served.sum()
    assert compared > 5


def test_without_cost_a_multiplicative_index_is_the_virtual_level_times_the_gittins_index():
    env = sponsored_search([[1, 2, 4], [1]], [["1/4", "1/2", "1/4"], [1]], [(1, 2), (1, 1)], 4, "9/10")
    mechanism = virtual_index(env)
    # h = (3, 1/2, 0): L = (1 - 3, 2 - 1/2 * 2, 4) = (-2, 1, 4)
    rate = gittins_indices(env.signal_kernel[0][1], env.base[0][1], 0.9)
    np.testing.assert_allclose(mechanism.indices[0], np.outer([0, 1, 4], rate), atol=1e-12)
    assert (mechanism.served, mechanism.idle) == ((1, 2), 0)
    # type 0 is excluded: agent 1 is shown at all signals
    assert (mechanism.policy((0, 0)) == 2).all()
    assert mechanism.discrepancy <= 1e-10


def test_two_bidders_for_fresh_licences_pay_the_rivals_mean():
    # of one type each and even priors: the winner pays (1 - d) W_{-i} = the rival's posterior mean
    env = sponsored_search([[1], [1]], [[1], [1]], [(1, 1), (1, 1)], 3, "9/10")
    price = virtual_index(env).price(0, (0, 0))
    np.testing.assert_allclose(price, env.base[1][2], rtol=1e-10)


def faults(env):
    with pytest.raises(InputError) as error:
        virtual_index(env)
    return {fault.where: str(fault) for fault in error.value.faults}


def build(base, kernel, horizon="infinite"):
    return SeparableTypes([[1]], [[1]], [base], [HALF], [kernel], horizon=horizon, discount=0.5)


def test_what_has_no_index():
    still = [[1, 0], [0, 1]]
    assert "an index needs an infinite one" in faults(build([[0, 0], [1, 2]], still, horizon=2))["horizon"]
    twice = build([[1, 1], [1, 2]], still)
    assert "is served by 2 actions" in faults(twice)["agents[0]"]
    idle = build([[0, 0], [0, 0], [1, 2]], still)
    assert "2 of them serve nobody; keep the cheapest" in faults(idle)["actions"]
    both = SeparableTypes([[1], [1]], [[1], [1]], [[[1]], [[1]]], [[1], [1]], [[[1]], [[1]]], discount=0.5)
    assert "serves 2 agents" in faults(both)["actions[0]"]
