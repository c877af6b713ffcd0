"""Ex post implementability of the last allocation, against all cycles and a linear program."""

from itertools import pairwise, permutations, product

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt.closedform.contingent.last_period import last_period, worst_means
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes
from tests.interdependent_instances import random_environment


def auction(gamma, signals=4, agents=2):
    """One period: the item to one of the agents, worth one's signal plus gamma times the others'."""
    grid = np.indices((signals,) * agents)
    worth = gamma * grid.sum(axis=0) + (1 - gamma) * grid
    values = np.zeros((agents, agents, *grid.shape[1:]))
    for i in range(agents):
        values[i, i] = worth[i]
    return InterdependentTypes(values, None, np.full(grid.shape[1:], 1 / signals**agents), horizon=1)


def lengths(env, policy, agent, others):
    """w(r, k) entry by entry."""
    size = env.shape[0][agent]

    def at(k):
        return tuple(np.insert(others, agent, k))

    values = env.values[agent][0]
    return [
        [values[(policy[at(k)], *at(k))] - values[(policy[at(r)], *at(k))] for k in range(size)] for r in range(size)
    ]


def worst_cycle(w):
    size = len(w)
    cycles = [c for n in range(2, size + 1) for c in permutations(range(size), n)]
    return min((sum(w[r][k] for r, k in pairwise([*c, c[0]])) / len(c) for c in cycles), default=np.inf)


def extreme_payment(w, k, sign):
    """Largest (sign -1) or smallest (+1) payment of signal k by a linear program, or None where there is none."""
    size = len(w)
    rows = np.zeros((size * size, size))
    for n, (r, s) in enumerate(product(range(size), repeat=2)):
        rows[n, s] += 1
        rows[n, r] -= 1
    fixed = [(0, 0)] + [(None, None)] * (size - 1)
    found = linprog(sign * np.eye(size)[k], A_ub=rows, b_ub=np.ravel(w), bounds=fixed)
    return found.x[k] if found.status == 0 else None


def private_values(seed, sizes, actions):
    """Values of the own signal alone: every efficient allocation is implementable (Vickrey, Clarke, Groves)."""
    rng, values = np.random.default_rng(seed), []
    for i, size in enumerate(sizes):
        own = rng.uniform(-1, 1, size=(actions, size))
        values.append(
            np.broadcast_to(
                own.reshape(actions, *(size if j == i else 1 for j in range(len(sizes)))), (actions, *sizes)
            )
        )
    return InterdependentTypes(np.stack(values), None, np.full(sizes, 1 / np.prod(sizes)), horizon=1)


SIZES = {"two-agents": (2, 3), "three-agents": (2, 3, 2), "four-signals": (4, 2), "single": (1, 3)}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_cycles_and_payments_agree_with_brute_force(sizes):
    seen = set()
    for seed in range(6):
        env = (
            random_environment(seed, sizes=sizes, actions=3, horizon=1) if seed < 4 else private_values(seed, sizes, 3)
        )
        found = last_period(env)
        worst = np.inf
        for i, size in enumerate(sizes):
            for others in np.ndindex(*(n for j, n in enumerate(sizes) if j != i)):
                w = lengths(env, found.policy, i, others)
                mean = worst_cycle(w)
                worst = min(worst, mean)
                assert found.means[i][others] == pytest.approx(mean, abs=1e-12)
                assert (extreme_payment(w, 0, 1) is not None) == (mean >= -1e-9)
                for k in range(size) if found.implementable else ():
                    at = tuple(np.insert(others, i, k))
                    assert found.payments.largest[i][at] == pytest.approx(extreme_payment(w, k, -1), abs=1e-9)
                    assert found.payments.smallest[i][at] == pytest.approx(extreme_payment(w, k, 1), abs=1e-9)
        assert found.implementable == (worst >= -1e-12)
        seen.add(found.implementable)
    assert True in seen  # private values at least


def test_the_cycle_that_is_named_has_the_mean_that_is_named():
    env = random_environment(1, sizes=(4, 3), actions=4, horizon=1)
    found = last_period(env)
    assert not found.implementable and found.payments is None
    w = lengths(env, found.policy, found.cycle.agent, found.cycle.others)
    walk = [*found.cycle.signals, found.cycle.signals[0]]
    assert np.mean([w[r][k] for r, k in pairwise(walk)]) == pytest.approx(found.cycle.mean, abs=1e-12)
    assert "not implementable" in repr(found)


GAMMA = {"below-one": (0.5, True), "at-one": (1, True), "above-one": (2, False)}


@pytest.mark.parametrize(("gamma", "implementable"), GAMMA.values(), ids=GAMMA)
def test_the_efficient_auction_is_implementable_up_to_gamma_one(gamma, implementable):
    assert last_period(auction(gamma)).implementable == implementable


def test_above_one_the_worst_cycle_joins_the_extreme_signals():
    # gamma = 2: the lower signal wins. At the other's signal 1 or 2, signal 0 wins and 3 does not. The cycle 0, 3: what
    # winning is worth to 0 less what it is worth to 3, that is 0 - 3 whatever the other's signal, over two arcs: -3/2.
    found = last_period(auction(2))
    assert found.cycle.mean == pytest.approx(-1.5, abs=1e-14)
    assert set(found.cycle.signals) == {0, 3}


def test_second_price_payments_by_hand():
    # gamma = 1/2, three signals: at the other's signal 1, agent 0 wins from signal 1 on. To win is worth s + 1/2: the
    # price is at most what it is worth to 1, at least what it is worth to 0.
    found = last_period(auction(0.5, signals=3))
    np.testing.assert_allclose(found.payments.largest[0][:, 1], [0, 1.5, 1.5])
    np.testing.assert_allclose(found.payments.smallest[0][:, 1], [0, 0.5, 0.5])


def test_a_constant_allocation_needs_no_payments():
    env = random_environment(0, sizes=(3, 2), horizon=1)
    found = last_period(env, np.ones((3, 2), dtype=int))
    assert found.implementable
    for array in (*found.payments.largest, *found.payments.smallest):
        np.testing.assert_array_equal(array, 0)


def test_karp_on_graphs_with_a_known_mean():
    ring = np.full((1, 4, 4), 10.0)
    for k in range(4):
        ring[0, k, (k + 1) % 4] = -1.0 * k  # 0 - 1 - 2 - 3 over four arcs
    np.testing.assert_allclose(worst_means(ring), [-1.5])
    assert worst_means(np.zeros((2, 1, 1))).tolist() == [np.inf, np.inf]


BAD = {
    "infinite": (lambda: last_period(random_environment(0, horizon="infinite")), "no last period"),
    "shape": (lambda: last_period(random_environment(0), np.zeros(3, dtype=int)), "needed is"),
    "action": (lambda: last_period(random_environment(0), np.full((2, 3), 3)), "from 0 to 2"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
