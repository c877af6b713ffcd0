"""Incentives at every history, against plain recursion; ascending auctions, played; diverse types on grids."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo


def random_mechanism(seed):
    """Two agents, two or three periods, efficient policy, payments that are disturbed half of the time."""
    rng = np.random.default_rng(seed)
    distribution = lambda n: [f"{w}/{sum(row)}" for row in [rng.integers(1, 6, n).tolist()] for w in row]  # noqa: E731
    env = mo.MarkovTypes(
        [[[0, 0], sorted(map(int, rng.integers(0, 6, 2)))] for _ in range(2)],
        [[distribution(2) for _ in range(2)] for _ in range(2)],
        [distribution(2) for _ in range(2)],
        cost=[0, int(rng.integers(0, 8))],
        horizon=int(rng.integers(2, 4)),
        discount="9/10",
    )
    written = mo.dynamic_pivot(env).to_mechanism().to_sequence()
    if seed % 2:
        payment = tuple(part + rng.normal(0, 0.5, part.shape) for part in written.payment)
        written = mo.SequenceMechanism(written.tree, written.allocation, payment)
    return env, written


def gains_agree(seed):
    env, mechanism = random_mechanism(seed)
    found, tree, d = mo.lemmas.incentives_by_history(mechanism), mechanism.tree, env.discount

    def after(i, t, slot, others_before, true, truthful):
        """Value from period t on of type ``true``, the others' types of the period before being known (or none)."""
        best, j = None, 1 - i
        distribution = env.initial[j] if t == 0 else env.kernel[j][t - 1][0][others_before]
        for told in [true] if truthful else range(2):
            total = 0.0
            for other, p in enumerate(distribution):
                profile = (told, other) if i == 0 else (other, told)
                node = int(tree.find(t, np.array(slot), np.array(np.ravel_multi_index(profile, (2, 2)))))
                got = sum(w * env.values[i][t][a, true] for a, w in enumerate(mechanism.allocation[t][node]))
                total += p * (got - mechanism.payment[t][i, node].sum())
                if t + 1 < tree.horizon:
                    following = int(tree.following(t)[node, 0])
                    for then, q in enumerate(env.kernel[i][t][0][true]):
                        total += p * d * q * after(i, t + 1, following, other, then, truthful)
            best = total if best is None else max(best, total)
        return best

    for i, t in product(range(2), range(tree.horizon)):
        for slot in range(tree.slots[t]):
            others = None
            if t:
                profile = np.unravel_index(tree.profile[t - 1][tree.came(t)[0][slot]], (2, 2))
                others = int(profile[1 - i])
            for true in range(2):
                raw = after(i, t, slot, others, true, False) - after(i, t, slot, others, true, True)
                assert found.gain[i][t][slot, true] == pytest.approx(raw, abs=1e-9)
    bayesian = mo.verify(mechanism, mo.BayesianIC())["bayesian"]
    assert found.by_period[:, 0].max() == pytest.approx(bayesian.gain, abs=1e-9)
    assert (found.largest <= 1e-9) == bayesian.holds
    return bayesian.holds


def test_gains_at_every_history():
    assert {gains_agree(seed) for seed in range(6)} == {True, False}


@pytest.mark.slow
def test_gains_at_every_history_in_bulk():
    for seed in range(100, 220):
        gains_agree(seed)


def auction_is_an_equilibrium(seed):
    """Payoffs are those of the play, and neither bidder gains by winning or losing once against what is bid."""
    rng = np.random.default_rng(seed)
    worth = tuple(Fraction(int(n)) for n in rng.integers(0, 20, 2))
    d, tasks = Fraction(int(rng.integers(1, 19)), 20), int(rng.integers(1, 5))
    rounds = mo.lemmas.ascending_auction(*worth, d, tasks)
    value = {0: (worth[0] / (1 - d), Fraction(0))} | {one.left: one.payoffs for one in rounds}
    for one in rounds:
        then = {0: one.left, 1: one.left - 1}
        for i in (0, 1):
            leaves = worth[i] + d * (value[then[i]][i] - value[then[1 - i]][i])
            assert one.bids[i] == leaves
            won = worth[i] - one.bids[1 - i] + d * value[then[i]][i]
            lost = d * value[then[1 - i]][i]
            assert one.payoffs[i] == (won if one.winner == i else lost) == max(won, lost)
        left, weight, paid, welfare = one.left, 1.0, [0.0, 0.0], 0.0
        for _ in range(800):  # the play itself
            here = rounds[left - 1] if left else None
            winner, price = (here.winner, float(here.price)) if here else (0, 0.0)
            paid[winner] += weight * (float(worth[winner]) - price)
            welfare += weight * float(worth[winner])
            left, weight = left - (winner == 1), weight * float(d)
        assert paid == pytest.approx([float(v) for v in one.payoffs], abs=1e-6)
        assert welfare == pytest.approx(float(one.welfare), abs=1e-6)
    first = rounds[0]
    assert (first.winner == 0) == (worth[0] >= worth[1] / (1 - d))  # (8) and (9)
    assert (first.loss > 0) == (worth[1] < worth[0] < worth[1] / (1 - d))
    pivot = max(worth[0] / (1 - d), worth[1] + d * worth[0] / (1 - d))
    assert first.efficient == pivot


def test_ascending_auctions_are_equilibria():
    for seed in range(120):
        auction_is_an_equilibrium(seed)


def test_ascending_auctions_refuse_what_they_are_not_about():
    with pytest.raises(mo.InputError, match="discount"):
        mo.lemmas.ascending_auction(5, 3, 1)
    with pytest.raises(mo.InputError, match="tasks"):
        mo.lemmas.ascending_auction(5, 3, "1/2", 0)


def diverse(step, rival, d):
    """Agent 0 wants the good once, at a multiple of the step, or the other action; agent 1 always wants the good."""
    grid = [step * k for k in range(1, int(4 / step) + 1)]
    size = 2 * len(grid) + 1
    values = [[0, *[0] * len(grid), *grid], [0, *grid, *[0] * len(grid)], [0] * size]
    gone = [[1] + [0] * (size - 1)] * size
    return mo.MarkovTypes([values, [[0], [0], [rival]]], [gone, [[1]]], [[f"1/{size}"] * size, [1]], discount=d), grid


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 100))])
def test_diverse_types_pin_payments_down_to_a_step(seed):
    rng = np.random.default_rng(seed)
    step, rival, d = float(rng.choice([1, 0.5])), float(rng.uniform(0.6, 3.4)), float(rng.uniform(0.2, 0.9))
    env, grid = diverse(step, rival, d)
    found = mo.lemmas.diverse_preferences(env, 0)
    assert found.null == 0
    assert [[x for x, _ in row] for row in found.diverse] == [grid, grid, []]
    assert not found.holds  # nobody wants what agent 1 is served by
    assert found.inside
    assert 0 < found.diverse_width <= step + 1e-7
    # Lemma 2: x less what she pays once, and her marginal contribution is x less the rival's value where that is less
    worth = found.values.lower.ravel(), found.values.upper.ravel()
    served = np.array([x for x, _ in found.diverse[1]])
    kinds = [k for _, k in found.diverse[1]]
    low, high = found.payments.lower.ravel()[kinds], found.payments.upper.ravel()[kinds]
    accepts = served > rival
    np.testing.assert_allclose(worth[0][kinds][accepts], (served - high)[accepts], atol=1e-7)
    np.testing.assert_allclose(worth[1][kinds][accepts], (served - low)[accepts], atol=1e-7)
    np.testing.assert_allclose(worth[1][kinds][~accepts], 0, atol=1e-7)
    np.testing.assert_allclose(found.marginal.ravel()[kinds], np.maximum(served - rival, 0), atol=1e-9)
    assert found.value_width == pytest.approx(found.diverse_width, abs=1e-7)
    assert mo.lemmas.diverse_preferences(env, 1).null is None
