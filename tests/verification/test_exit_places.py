"""Efficient exit: who pays most where, how much counts as nothing, where exits last, and which policies it is for."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification import efficient_exit as module
from mechopt.verification.efficient_exit import efficient_exit
from mechopt.verification.rounding import Status
from tests.closedform.markov_instances import random_environment
from tests.verification.test_efficient_exit import tied

HALF = ["1/2", "1/2"]
NOWHERE = (None, None, None)


def idle(horizon=2, worth=((0, 0), (0, 0))):
    """Two agents, two actions that agent 1 does not care for, and agent 0 as is given."""
    values = [[list(row) for row in worth], [[0, 0], [0, 0]]]
    return mo.MarkovTypes(values, [[HALF] * 2] * 2, [HALF] * 2, horizon=horizon, discount="1/2")


def charged(env, payments, policy=None):
    """Payments ``{(agent, period, types): payment}``; the first action everywhere."""
    stages = env.stages
    transfer = [[np.zeros(env.shape[t]) for t in range(stages)] for _ in range(env.agents)]
    for (i, t, types), paid in payments.items():
        transfer[i][t][types] = paid
    return MarkovMechanism(env, policy or [np.zeros(env.shape[t], dtype=int) for t in range(stages)], transfer)


def where(found):
    return found.agent, found.period, found.types


@pytest.mark.parametrize("exact", [False, True])
def test_the_largest_payment_counts_and_of_equal_ones_the_first(exact):
    env = idle()
    for payments, wanted, paid in [
        ({(0, 0, (0, 1)): 1, (0, 0, (1, 0)): 3, (0, 1, (0, 0)): 2, (1, 0, (1, 1)): -2}, (0, 0, (1, 0)), 3),
        ({(0, 0, (0, 1)): 1, (1, 1, (1, 0)): -4, (1, 1, (1, 1)): 2}, (1, 1, (1, 0)), -4),
        ({(0, 1, (0, 1)): 2, (0, 1, (1, 1)): -2, (1, 0, (0, 0)): 2, (1, 1, (0, 0)): 2}, (0, 1, (0, 1)), 2),
    ]:
        found = efficient_exit(charged(env, payments), exact)
        assert (found.status, where(found), found.payment) == (Status.VIOLATED, wanted, paid)
        assert found.exact is exact and not found.holds
    found = efficient_exit(charged(env, {}), exact)
    assert (found.status, where(found), found.payment) == (Status.SATISFIED, NOWHERE, 0.0)
    assert found.exact is exact and found.holds and str(found) == "efficient exit: holds"


def test_payments_that_are_no_numbers_are_no_mechanism():
    for paid in (np.nan, np.inf, -np.inf):
        with pytest.raises(InputError, match="not finite"):
            charged(idle(), {(1, 0, (1, 1)): paid})


@pytest.mark.parametrize("exact", [False, True])
def test_payments_within_the_tolerance_count_as_none(exact):
    """Agent 0 gets up to 4 in each of two periods, at a discount of 1/2; nothing depends on her, nor on agent 1."""
    env = idle(worth=((4, 2), (4, 2)))
    bound = 1e-8 * 6.0
    assert module.tolerance_of(module.largest_value(env)) == bound
    for sign, place in product((1, -1), [(0, 0, (0, 0)), (1, 1, (1, 0))]):
        found = efficient_exit(charged(env, {place: sign * bound}), exact)
        assert (found.status, where(found), found.payment) == (Status.SATISFIED, NOWHERE, sign * bound)
        found = efficient_exit(charged(env, {place: sign * np.nextafter(bound, 1)}), exact)
        wanted = Status.VIOLATED if exact or place[0] == 0 else Status.UNDECIDED
        assert (found.status, where(found)) == (wanted, place)


def test_where_it_is_undecided_who_pays_within_the_tolerance_pays_nothing():
    env = tied()
    policy = [np.ones((2, 2), dtype=int)]
    bound = module.tolerance_of(module.largest_value(env))
    for paid, wanted in [(bound, Status.SATISFIED), (np.nextafter(bound, 1), Status.UNDECIDED)]:
        found = efficient_exit(charged(env, {(0, 0, (1, 1)): paid}, policy))
        assert found.status is wanted
        assert where(found) == (NOWHERE if wanted is Status.SATISFIED else (0, 0, (1, 1)))


def test_what_is_sure_and_within_the_tolerance_leaves_what_is_undecided():
    """Agent 1 matters no more, and pays what just counts as nothing; agent 0 may matter no more, and pays 1."""
    policy = [np.ones((2, 2), dtype=int)]
    bound = module.tolerance_of(module.largest_value(tied()))
    found = efficient_exit(charged(tied(), {(1, 0, (0, 1)): bound, (0, 0, (1, 0)): 1}, policy))
    assert (found.status, where(found)) == (Status.UNDECIDED, (0, 0, (1, 0)))
    found = efficient_exit(charged(tied(), {(1, 0, (0, 1)): np.nextafter(bound, 1), (0, 0, (1, 0)): 1}, policy))
    assert (found.status, where(found)) == (Status.VIOLATED, (1, 0, (0, 1)))


@pytest.mark.parametrize("horizon", [3, "infinite"])
@pytest.mark.parametrize("seed", range(6))
def test_sets_that_are_not_left(seed, horizon):
    """Of sets at random, period by period; numbers of types change over periods."""
    rng = np.random.default_rng(seed)
    env = random_environment((2, 3) if horizon == "infinite" else ((2, 3), (3, 1), (1, 2)), 2, horizon, 0.7, seed)
    kernel = []
    for rows in env.kernel:
        kept = [np.where(rng.random(part.shape) < 0.5, part, 0) for part in rows]
        kept = [
            np.where(part.sum(axis=-1, keepdims=True) > 0, part, full) for part, full in zip(kept, rows, strict=True)
        ]
        kernel.append([part / part.sum(axis=-1, keepdims=True) for part in kept])
    env = mo.MarkovTypes(env.values, kernel, env.initial, horizon=env.horizon, discount=env.discount)
    policy = [rng.integers(0, 2, env.shape[t]) for t in range(env.stages)]
    suits = [rng.random(env.shape[t]) < 0.85 for t in range(env.stages)]

    def leads(t, types, after):
        a = int(policy[t][types])
        return all(env.kernel[i][t][a, k, n] > 0 for i, (k, n) in enumerate(zip(types, after, strict=True)))

    inside = [{types for types in np.ndindex(part.shape) if part[types]} for part in suits]
    if env.infinite:
        while True:
            out = {k for k in inside[0] if any(leads(0, k, n) and n not in inside[0] for n in np.ndindex(env.shape[0]))}
            if not out:
                break
            inside[0] -= out
    else:
        for t in reversed(range(env.stages - 1)):
            after = set(np.ndindex(env.shape[t + 1])) - inside[t + 1]
            inside[t] = {k for k in inside[t] if not any(leads(t, k, n) for n in after)}
    found = module._closed(suits, policy, env)
    assert [{tuple(map(int, k)) for k in np.argwhere(part)} for part in found] == inside
    assert all(part.dtype == bool and not part.flags.writeable for part in found)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("horizon", [2, "infinite"])
def test_a_policy_that_is_not_efficient_somewhere_is_refused(horizon, exact):
    """Agent 0 prefers the first action at her second type, which matters there alone."""
    env = idle(horizon, ((0, 1), (0, 0)))
    first = [np.zeros(env.shape[t], dtype=int) for t in range(env.stages)]
    efficient_exit(charged(env, {}, first), exact)
    for t in range(env.stages):
        for types in np.ndindex(env.shape[t]):
            policy = [part.copy() for part in first]
            policy[t][types] = 1
            mechanism = charged(env, {}, policy)
            if types[0] == 0:
                efficient_exit(mechanism, exact)
            else:
                with pytest.raises(InputError, match="the policy is not efficient"):
                    efficient_exit(mechanism, exact)
