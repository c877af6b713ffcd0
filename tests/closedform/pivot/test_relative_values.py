"""Values of policies at discounts near 1 against elimination in fractions, which shares nothing with them."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.pivot.efficient import efficient
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.closedform.pivot.relative_values import split

DISCOUNTS = ["9/10", "999/1000", "999999/1000000", "999999999/1000000000"]


def drawn(seed, discount, types=4, actions=3):
    """One agent; values and probabilities are fractions of small integers."""
    rng = np.random.default_rng([5, seed])
    weights = rng.integers(1, 20, (actions, types, types))
    kernel = [[[Fraction(int(w), int(row.sum())) for w in row] for row in table] for table in weights]
    values = rng.integers(0, 30, (actions, types)).tolist()
    return values, kernel, mo.MarkovTypes([values], [kernel], [[Fraction(1, types)] * types], discount=discount)


def exact_value(values, kernel, discount, policy):
    """Solve (I - d P) W = r by elimination."""
    size, d = len(policy), Fraction(discount)
    rows = [
        [(i == j) - d * kernel[a][i][j] for j in range(size)] + [Fraction(values[a][i])] for i, a in enumerate(policy)
    ]
    for c in range(size):
        pivot = next(r for r in range(c, size) if rows[r][c])
        rows[c], rows[pivot] = rows[pivot], rows[c]
        rows[c] = [x / rows[c][c] for x in rows[c]]
        for r in range(size):
            if r != c:
                rows[r] = [x - rows[r][c] * y for x, y in zip(rows[r], rows[c], strict=True)]
    return [row[-1] for row in rows]


def worth(values, kernel, discount, value, state, action):
    later = sum(p * w for p, w in zip(kernel[action][state], value, strict=True))
    return values[action][state] + Fraction(discount) * later


@pytest.mark.parametrize("discount", DISCOUNTS)
def test_policies_are_optimal_and_values_right_to_the_last_digits(discount):
    for seed in range(20):
        values, kernel, env = drawn(seed, discount)
        best = efficient(env)
        policy = best.policy.tolist()
        value = exact_value(values, kernel, discount, policy)
        for state, action in enumerate(policy):
            table = [worth(values, kernel, discount, value, state, a) for a in range(len(values))]
            assert table[action] == max(table), (seed, state)
            assert float(best.welfare[state]) == pytest.approx(float(value[state]), rel=1e-14)


def test_two_chains_that_never_meet():
    """Each state stays: W = v / (1 - d), which is all level in one chain, and all difference in the other."""
    stay = [[1, 0], [0, 1]]
    env = mo.MarkovTypes([[[1, 3]]], [[stay]], [["1/2", "1/2"]], discount="999/1000")
    assert efficient(env).welfare == pytest.approx([1000, 3000], rel=1e-12)


def test_an_accuracy_out_of_reach_is_refused():
    stay = [[1, 0], [0, 1]]
    env = mo.MarkovTypes([[[1, 3]]], [[stay]], [["1/2", "1/2"]], discount="999999999999/1000000000000")
    with pytest.raises(mo.errors.LimitError, match="use a smaller discount"):
        efficient(env)


@pytest.mark.parametrize("discount", DISCOUNTS[1:])
@pytest.mark.parametrize("dense", [500, 4], ids=["elimination", "gmres"])
def test_the_joint_chain_has_the_same_values(discount, dense, monkeypatch):
    """A second agent makes the environment a joint one; each action is worth something to both."""
    monkeypatch.setattr("mechopt.closedform.pivot.efficient_joint.DENSE", dense)
    types = 3
    first, second = drawn(1, discount, types), drawn(2, discount, types)
    distribution = [[Fraction(1, types)] * types] * 2
    env = mo.MarkovTypes([first[0], second[0]], [first[1], second[1]], distribution, discount=discount)
    joint = efficient_joint(mo.InterdependentTypes.from_markov(env))
    np.testing.assert_allclose(joint.welfare[0], efficient(env).welfare, rtol=1e-13)
    np.testing.assert_array_equal(joint.policy[0], efficient(env).policy)


def test_a_guess_is_split_into_what_it_was():
    guess = np.array([[3.0, 5.0], [2.0, 4.0]])
    parts = split(guess, 1e-3)
    np.testing.assert_allclose(parts.value, guess, rtol=1e-12)
    assert parts.differences[0, 0] == 0
