"""The tolerance of contingent transfers: by agent and period, from her own values from then on."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.contingent.tolerance import tolerances
from mechopt.verification.rounding import largest_value
from tests.interdependent_instances import random_environment


def scaled(env, by_agent, by_period=None):
    """The environment with each agent's values, and each period's, in other units of money."""
    weights = by_period or [1.0] * env.stages
    values = [
        [a * w * part for w, part in zip(weights, row, strict=True)]
        for a, row in zip(by_agent, env.values, strict=True)
    ]
    return replace(env, values=tuple(map(tuple, values)), exact=None)


def paying(env, agent, t, size):
    """No transfers, but one agent's payment in the period after t falls by size at her first report."""
    found = contingent_transfers(env, "convex", "efficient" if env.infinite else "constant")
    none = [[np.zeros_like(part) for part in row] for row in found.payments]
    actions = tuple(np.zeros_like(part) for part in found.policy)
    own = env.agents  # axes: action, others, own report, others then
    none[t][agent] -= size * np.reshape([1.0, *[0.0] * (env.shape[t][agent] - 1)], (-1, *(1,) * (own - 1)))
    return replace(found, policy=actions, payments=tuple(map(tuple, none)))


def by_loops(env, i, t):
    """Largest present value of an agent's values from a period on, as of period 0, in fractions."""
    total, d = Fraction(0), Fraction(env.discount)
    for s in range(t, env.stages):
        size = max(abs(Fraction(float(v))) for v in env.values[i][s].ravel())
        last = env.infinite and s == env.stages - 1
        total += d**s * size / (1 - d if last else 1)
    return total


@pytest.mark.parametrize("horizon", [1, 2, 3, "infinite"])
def test_her_own_values_from_then_on(horizon):
    env = scaled(random_environment(3, horizon=horizon), (1e-6, 1e6))
    found = tolerances(env)
    for i in range(env.agents):
        for t in range(env.stages):
            assert found[i, t] == pytest.approx(1e-8 * float(by_loops(env, i, t)), rel=1e-12, abs=0)
    assert found[:, 0].max() == pytest.approx(1e-8 * largest_value(env), rel=1e-12, abs=0)


def test_who_values_nothing():
    env = random_environment(3, sizes=(2, 2), actions=2, horizon=2)
    late = scaled(env, (1.0, 2.0), (1.0, 0.0))  # nothing is worth anything in period 1: what period 0 was
    assert tolerances(late)[:, 1].tolist() == tolerances(late)[:, 0].tolist()
    never = scaled(env, (0.0, 2.0))  # nothing ever to agent 0, whose signals inform
    assert tolerances(never)[0].tolist() == [tolerances(never)[1, 0]] * 2
    assert check_contingent(contingent_transfers(never, "convex", "constant")).holds
    assert tolerances(scaled(env, (0.0, 0.0))).tolist() == [[0.0, 0.0]] * 2


@pytest.mark.parametrize("horizon", [2, "infinite"])
@pytest.mark.parametrize("agent", [0, 1])
def test_an_agent_of_small_values_beside_one_of_large(agent, horizon):
    scales = [1e6, 1e6]
    scales[agent] = 1e-6
    env = scaled(random_environment(1, sizes=(2, 2), actions=2, horizon=horizon), scales)
    found = paying(env, agent, 0, 1e-7)
    for exact in (False, True):
        checked = check_contingent(found, exact)
        assert checked.status == "violated" and checked.tolerance == tolerances(env)[agent, 0]
        assert checked.counterexample.agent == agent
        assert checked.gain == pytest.approx(env.discount * 1e-7, rel=1e-6) == checked.largest
    assert check_contingent(found).gain < 1e-8 * largest_value(env)  # which hid it


def test_a_late_period_of_small_values():
    env = scaled(random_environment(1, sizes=(2, 2), actions=2, horizon=3), (1.0, 1.0), (1e9, 1.0, 1.0))
    found = paying(env, 1, 1, 0.5)
    for exact in (False, True):
        checked = check_contingent(found, exact)
        assert (checked.status, checked.counterexample.agent, checked.counterexample.period) == ("violated", 1, 1)
        assert checked.gain == pytest.approx(env.discount**2 * 0.5, rel=1e-9)
        assert checked.gain < 1e-8 * largest_value(env)


def test_the_worst_place_is_not_the_largest_gain():
    env = scaled(random_environment(1, sizes=(2, 2), actions=2, horizon=2), (1e-3, 1e3))
    small, large = paying(env, 0, 0, 1e-4), paying(env, 1, 0, 1.0)
    both = replace(small, payments=((small.payments[0][0], large.payments[0][1]),))
    for exact in (False, True):
        checked = check_contingent(both, exact)
        assert checked.counterexample.agent == 0 and checked.gain == pytest.approx(env.discount * 1e-4, rel=1e-9)
        assert checked.largest == pytest.approx(env.discount, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("method", ["convex", "spanning", "any"])
def test_honest_transfers_at_any_scale(method, scale):
    for seed, horizon in ((0, 2), (1, 3), (2, "infinite")):
        env = scaled(random_environment(seed, sizes=(2, 2), actions=2, horizon=horizon), (scale, scale))
        found = contingent_transfers(env, method, "efficient" if env.infinite else "constant")
        assert check_contingent(found).holds and check_contingent(found, exact=True).holds


def test_agents_of_different_scales():
    """Payments are sums of the others' values: in floats they carry no more of hers than rounding leaves."""
    statuses = {}
    for ratio in (1e1, 1e3, 1e6, 1e12):
        for seed, horizon in ((0, 2), (2, "infinite")):
            plain = random_environment(seed, sizes=(2, 2), actions=2, horizon=horizon)
            env = scaled(plain, (ratio**-0.5, ratio**0.5))
            found = contingent_transfers(env, "convex", "efficient" if env.infinite else "constant")
            statuses.setdefault(ratio, set()).add(str(check_contingent(found).status))
            assert check_contingent(found, exact=True).status in ("satisfied", "violated")
    assert statuses[1e1] == statuses[1e3] == {"satisfied"} and statuses[1e12] == {"undecided"}
    assert "violated" not in statuses[1e6]


def test_of_exact_transfers_the_fractions_decide():
    """Rational data of scales 1e-6 and 1e6, payments of whole powers of 2: floats hold them, and gains are 0."""
    worth = np.array([[0, 0], [0, 0]])
    small, large = Fraction(1, 2**20), Fraction(2**20)
    copied = np.zeros((2, 2, 2, 2))
    for own, other in np.ndindex(2, 2):
        copied[own, other, other, own] = 1  # each sees tomorrow what the other sees today
    mine = [worth, [[0, 0], [small, small]]]
    hers = [[[large, 0], [large, 0]], worth]
    env = InterdependentTypes([mine, hers], copied, [["1/4", "1/4"]] * 2, discount="1/2")
    found = contingent_transfers(env, "convex", exact=True)
    quick, slow = check_contingent(found), check_contingent(found, exact=True)
    assert (quick.status, slow.status, slow.exact) == ("undecided", "satisfied", 0)
