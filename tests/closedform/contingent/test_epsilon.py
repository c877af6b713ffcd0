"""The smallest epsilon of contingent transfers: cases by hand, its shape in the bound, and the gain that it bounds."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.approximate import approximate_transfers
from mechopt.closedform.contingent.epsilon import smallest_epsilon
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.environment.families.signal_grid import signal_grid
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.verify import verify
from tests.interdependent_instances import random_environment

X = np.linspace(0, 1, 9)
COIN = np.array([1 - X, X])
POSITIVE = np.exp(2 * np.multiply.outer(X, X)) / np.exp(2 * np.multiply.outer(X, X)).sum(axis=0)


@pytest.mark.parametrize("points", [pytest.param(k, id=f"{k}-points") for k in (3, 5, 21)])
def test_an_affine_distribution_misses_the_square_by_an_eighth(points):
    # expected transfers are concave in x; nearest to x^2 is x - 1/8, off by 1/8 at 0, 1/2 and 1
    x = np.linspace(0, 1, points)
    for degree in (None, 0, 1, 2):
        assert smallest_epsilon([1 - x, x], x**2, degree=degree).epsilon == pytest.approx(1 / 8, abs=1e-9)


def test_an_affine_distribution_reaches_minus_the_square_though_its_columns_are_mixtures():
    # p_r = tangent at r: -x^2 <= r^2 - 2 r x, that is r^2 at outcome 0 and r^2 - 2 r at 1: quadratic in the report
    for degree in (None, 2):
        best = smallest_epsilon(COIN, -(X**2), degree=degree)
        assert best.epsilon == pytest.approx(0, abs=1e-9)
        assert best.violation == pytest.approx(0, abs=1e-9)
    assert best.transfers[0] @ [0.5, 0.5] >= -0.25  # a report of 0 at signal 1/2
    # tangents that turn with r need its square; lines in r are no better than one tangent for all
    assert smallest_epsilon(COIN, -(X**2), degree=0).epsilon == pytest.approx(1 / 8, abs=1e-9)


def test_the_discount_scales_transfers_not_epsilon():
    low, high = smallest_epsilon(COIN, X**2, 0.5, bound=0.5), smallest_epsilon(COIN, X**2, 1, bound=0.25)
    assert low.epsilon == pytest.approx(high.epsilon, abs=1e-9)
    assert low.max_abs <= 0.5 + 1e-9
    assert smallest_epsilon(COIN, -(X**2), 0.5).epsilon == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("degree", [pytest.param(0, id="free-of-the-report"), pytest.param(None, id="own-report")])
def test_epsilon_is_convex_and_decreasing_in_the_bound(degree):
    bounds = np.linspace(0, 8, 9)
    epsilons = np.array([smallest_epsilon(POSITIVE, np.sin(5 * X), bound=b, degree=degree).epsilon for b in bounds])
    assert epsilons[0] == pytest.approx(np.abs(np.sin(5 * X)).max(), abs=1e-9)
    assert (np.diff(epsilons) <= 1e-9).all()
    assert (np.diff(epsilons, 2) >= -1e-8).all()


def test_larger_classes_come_nearer():
    target = np.sin(5 * X)
    degrees = [smallest_epsilon(POSITIVE, target, bound=8, degree=d).epsilon for d in (0, 1, 2, 8)]
    full = smallest_epsilon(POSITIVE, target, bound=8).epsilon
    assert all(a >= b - 1e-9 for a, b in zip(degrees, [*degrees[1:], full], strict=True))
    assert degrees[-1] == pytest.approx(full, abs=1e-8)  # degree 8 on 9 points is every function of the report
    assert degrees[0] > full + 0.01


def test_quadratic_in_the_outcome_with_the_own_report_suffices():
    # parabolas separate the columns of a totally positive kernel: convex independence within their span
    best = smallest_epsilon(POSITIVE, np.sin(5 * X), basis=np.vander(X, 3))
    assert best.epsilon == pytest.approx(0, abs=1e-8)
    for row in best.transfers:
        assert np.diff(row, 3) == pytest.approx(np.zeros(6), abs=1e-9 * best.max_abs)
    assert smallest_epsilon(POSITIVE, np.sin(5 * X), basis=np.vander(X, 3), degree=0).epsilon > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_transfers_keep_the_inequalities_that_they_are_for(seed):
    rng = np.random.default_rng(seed)
    kernel, target = rng.dirichlet(np.ones(3), size=5).T, rng.normal(size=5)
    best = smallest_epsilon(kernel, target, 0.9, bound=3)
    for k, r in product(range(5), repeat=2):
        assert kernel[:, k] @ best.transfers[k] <= kernel[:, k] @ best.transfers[r] + 1e-8
        assert abs(target[k] - 0.9 * kernel[:, k] @ best.transfers[k]) <= best.epsilon + 1e-9
    assert best.max_abs <= 3 + 1e-9
    assert best.gain_bound == pytest.approx(20 * best.epsilon, abs=1e-7)


def interdependent(discount, seed):
    """Two agents, three actions, affine densities on a grid that depend on the action."""
    rng = np.random.default_rng(seed)
    c, w = rng.uniform(-0.5, 0.5, size=(3, 2)), rng.uniform(-2, 2, size=(2, 3, 3))

    def density(a, x, y):
        return 1 + c[a, 0] * (2 * x[0] - 1) * (2 * y[1] - 1) + c[a, 1] * (2 * x[1] ** 2 - 1) * (2 * y[0] - 1)

    grid = signal_grid(density, [4, 3], actions=3)
    return grid.environment(
        lambda a, x: [w[i, a, 0] * x[0] + w[i, a, 1] * x[1] ** 2 + w[i, a, 2] * x[0] * x[1] for i in range(2)],
        discount=discount,
        cost=[0, 0.1, 0.2],
    )


@pytest.mark.parametrize("bound", [pytest.param(None, id="no-bound"), pytest.param(1, id="small-transfers")])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_report_gains_at_most_two_epsilon_over_one_less_the_discount(seed, bound):
    """Truthful values by a linear system over profiles, deviations by plain loops."""
    env = interdependent(0.6, seed)
    found, policy = approximate_transfers(env, bound=bound), efficient_joint(env).policy[0]
    kernel, values, shape, worst = env.kernel[0], env.profile_values[0], env.shape[0], 0.0
    for i in range(2):
        following = kernel.sum(axis=3 + i)  # axes (action, s_0, s_1, the other's next signal)

        def expected(a, s, report, i=i, following=following):
            return following[a][s] @ found.payments[0][i][a, s[1 - i], report]

        profiles = list(product(*map(range, shape)))
        move = np.array([kernel[policy[s]][s].ravel() for s in profiles])
        flow = [values[i, policy[s]][s] - 0.6 * expected(policy[s], s, s[i]) for s in profiles]
        truth = np.linalg.solve(np.eye(12) - 0.6 * move, flow).reshape(shape)
        for s in profiles:
            for report in range(shape[i]):
                seen = (report, s[1]) if i == 0 else (s[0], report)
                a = policy[seen]
                lie = values[i, a][s] + 0.6 * ((kernel[a][s] * truth).sum() - expected(a, s, report))
                worst = max(worst, lie - truth[s])
    assert found.gain == pytest.approx(max(worst, 0), abs=1e-9)
    assert worst <= found.gain_bound <= found.lemma_bound + 1e-8
    assert check_contingent(found).largest == pytest.approx(found.gain, abs=1e-9)
    assert verify(found)[mo.PeriodicExPostIC()].gain == pytest.approx(found.gain, abs=1e-9)
    if bound is None:
        assert found.epsilon < (1e-9 if seed == 2 else 0.05)  # the seller's cost is a part of the target
    else:
        assert found.max_abs <= 1 + 1e-9
        assert seed or worst > 1e-3  # the class is too small for an efficient mechanism here


def test_one_signal_is_met_at_once():
    best = smallest_epsilon([[0.25], [0.75]], [-3], 0.5, degree=None)
    assert best.epsilon == pytest.approx(0, abs=1e-9)
    assert best.transfers @ [0.25, 0.75] == pytest.approx([-6])


def test_actions_that_are_never_taken_cost_nothing():
    env = interdependent(0.6, 0)
    found, policy = approximate_transfers(env), efficient_joint(env).policy[0]
    for a, s in product(range(3), range(3)):
        assert np.isnan(found.epsilons[0][0][a, s]) == (a not in policy[:, s])


@pytest.mark.parametrize("last", ["efficient", "constant"])
@pytest.mark.parametrize("sizes", [(3, 3), (2, 2, 2)])
def test_a_finite_horizon_by_every_strategy(sizes, last):
    env = random_environment(3, sizes=sizes, horizon=3, private_last=True, cost=True)
    near, far = (approximate_transfers(env, bound=bound, last_period=last) for bound in (None, "1/2"))
    assert near.epsilon < 1e-9 and near.gain < 1e-7  # convex independence: the class reaches the targets
    assert near.utilities == pytest.approx(contingent_transfers(env, "convex", last).utilities, abs=1e-7)
    checked = check_contingent(far)
    assert far.epsilon > 1e-2
    assert 0.9**2 * far.gain - 1e-9 <= checked.largest <= far.gain + 1e-9  # that of a later period is discounted
    assert far.gain <= far.gain_bound and checked.strategy_gain <= far.strategy_bound
    assert far.gain_bound <= far.lemma_bound
    written = verify_sequence(far.to_mechanism(), [mo.PeriodicExPostIC()])[mo.PeriodicExPostIC()]
    assert not written.holds and written.gain <= far.strategy_bound
    assert far.to_mechanism().revenue == pytest.approx(far.revenue, abs=1e-9)


def test_a_last_allocation_that_is_not_implementable_is_refused():
    with pytest.raises(mo.errors.ConditionError, match="last_period='constant'"):
        approximate_transfers(random_environment(1, sizes=(3, 3)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"target": [1, 2]}, "target: has 2 entries for 9 signals", id="target-length"),
        pytest.param({"kernel": COIN * 2}, r"kernel.T\[0\]: sums to 2, not 1", id="kernel-sums"),
        pytest.param({"kernel": [[1, 2], [3]]}, "rows of unequal length", id="kernel-ragged"),
        pytest.param({"discount": 0}, "discount: is 0", id="discount-zero"),
        pytest.param({"bound": -1}, "bound: is -1", id="bound-negative"),
        pytest.param({"degree": -1}, "degree: is -1", id="degree-negative"),
        pytest.param({"basis": np.ones((3, 1))}, "basis: has 3 rows for 2 outcomes", id="basis-rows"),
        pytest.param({"signals": [0, 1]}, "signals: has 2 entries for 9 targets", id="signals-length"),
    ],
)
def test_bad_input_is_refused_with_its_place(arguments, message):
    with pytest.raises(mo.InputError, match=message):
        smallest_epsilon(**({"kernel": COIN, "target": X} | arguments))
