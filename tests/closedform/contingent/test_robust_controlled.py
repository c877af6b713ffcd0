"""Robust transfers where actions move the signals, and sets of every form, against programs with all extreme points."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt.closedform.contingent.robust.transfers import robust_transfers
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.core.errors import InputError
from mechopt.environment.kernels.ball import KernelBall
from mechopt.environment.kernels.box import KernelBox
from mechopt.environment.kernels.hull import KernelHull
from mechopt.environment.kernels.rows import KernelRows
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.study.estimated_transfers import gain_under
from mechopt.study.transfer_proof import transfer_proof
from mechopt.verification.contingent.check import check_contingent
from tests.closedform.contingent.test_any_transfers import rational
from tests.interdependent_instances import distribution, random_environment


def of_ball(distribution, radius):
    """Extreme points of the ball: mass moves to one outcome from the others in any order."""
    found = set()
    for order in permutations(range(len(distribution))):
        q, left = list(distribution), min(radius / 2, 1 - distribution[order[0]])
        q[order[0]] += left
        for n in order[1:]:
            taken = min(left, q[n])
            q[n] -= taken
            left -= taken
        found.add(tuple(np.round(q, 14)))
    return [np.array(q) for q in found]


def of_box(distribution, size):
    """Extreme points of a box: outcomes are filled in any order."""
    low, high = np.maximum(distribution - size, 0), np.minimum(distribution + size, 1)
    found = set()
    for order in permutations(range(len(distribution))):
        q, left = low.copy(), 1 - low.sum()
        for n in order:
            added = min(left, high[n] - low[n])
            q[n] += added
            left -= added
        found.add(tuple(np.round(q, 14)))
    return [np.array(q) for q in found]


def least_by_plain_rows(env, i, points):
    """Smallest largest payment of agent i with L, U and p as unknowns, one row an extreme point; None if there is none.

    `points(t, a, s)` lists distributions of the next profile. Controlled transitions, all periods alike but the last.
    """
    policy, names = efficient_joint(env).policy, {}
    stages = len(env.kernel)
    final = None if env.infinite else stages

    def column(*key):
        return names.setdefault(key, len(names))

    def without(s):
        return (*s[:i], *s[i + 1 :])

    def value(which, t, s):
        """Coefficients and constant of what the truth is worth."""
        if t == final:
            return {column("q", s): -1.0}, env.values[i][t][(policy[t][s], *s)]
        return {column(which, t, s): 1.0}, 0.0

    rows = []  # coefficients, side: sum >= side

    def add(fixed, weight, terms, side, q, t):
        """fixed + weight d q.(terms) >= side; terms(n) gives coefficients and constant."""
        row = dict(fixed)
        for n, mass in zip(np.ndindex(env.shape[0 if env.infinite else t + 1]), q, strict=True):
            coefficients, constant = terms(n)
            for key, x in coefficients.items():
                row[key] = row.get(key, 0.0) + weight * env.discount * mass * x
            side = side - weight * env.discount * mass * constant
        rows.append((row, side))

    for t in range(stages):
        following = 0 if env.infinite else t + 1
        for s in np.ndindex(env.shape[t]):
            own = env.values[i][t]

            def net(which, told, n, sign=1.0, t=t, following=following):
                coefficients, constant = value(which, following, n)
                found = {key: sign * x for key, x in coefficients.items()}
                paid = column("p", t, told, without(n))
                found[paid] = found.get(paid, 0.0) - sign
                return found, sign * constant

            a = policy[t][s]
            for q in points(t, a, s):
                up, low = column("U", t, s), column("L", t, s)
                add({up: 1.0}, -1.0, lambda n, s=s: net("U", s, n), own[(a, *s)], q, t)
                add({low: -1.0}, 1.0, lambda n, s=s: net("L", s, n), -own[(a, *s)], q, t)
            for r in range(env.shape[t][i]):
                told = (*s[:i], r, *s[i + 1 :])
                b = policy[t][told]
                for q in points(t, b, s) if told != s else ():
                    if a == b:

                        def bet(n, told=told, s=s, t=t):
                            return {column("p", t, told, without(n)): 1.0, column("p", t, s, without(n)): -1.0}, 0.0

                        add({}, 1.0, bet, 0.0, q, t)
                    else:
                        add({column("L", t, s): 1.0}, -1.0, lambda n, told=told: net("U", told, n), own[(b, *s)], q, t)
    if final is not None:
        own = env.values[i][final]
        for s in np.ndindex(env.shape[final]):
            for r in range(env.shape[final][i]):
                told = (*s[:i], r, *s[i + 1 :])
                if told != s:
                    side = own[(policy[final][told], *s)] - own[(policy[final][s], *s)]
                    rows.append(({column("q", told): 1.0, column("q", s): -1.0}, side))
    matrix, limit = np.zeros((len(rows), len(names) + 1)), np.zeros(len(rows))
    for k, (row, side) in enumerate(rows):
        limit[k] = -side
        for key, x in row.items():
            matrix[k, key] = -x
    caps = []
    for key, at in names.items():
        for sign in (1, -1) if key[0] in "pq" else ():
            cap = np.zeros(len(names) + 1)
            cap[at], cap[-1] = sign, -1
            caps.append(cap)
    cost = np.eye(len(names) + 1)[-1]
    bounds = [(None, None)] * len(names) + [(0, None)]
    found = linprog(cost, np.vstack([matrix, *caps]), np.append(limit, np.zeros(len(caps))), bounds=bounds)
    return found.fun if found.status == 0 else None


def line(env, t, a, s):
    return env.kernel[t][(a, *s)].ravel()


def described(env, form, size, rng):
    """A set, and its extreme points by period, action and profile."""
    if form == "ball":
        return size, lambda t, a, s: of_ball(line(env, t, a, s), size)
    if form == "box":
        return KernelBox.around(env, size), lambda t, a, s: of_box(line(env, t, a, s), size)
    other = [(1 - size) * k + size * distribution(rng, k.shape[:3], k.shape[3:]) for k in env.kernel]
    return KernelHull([other]), lambda t, a, s: [line(env, t, a, s), other[t][(a, *s)].ravel()]


@pytest.mark.parametrize("horizon", ["infinite", 2, 3])
@pytest.mark.parametrize(("form", "size"), [("ball", 0.0), ("ball", 0.04), ("box", 0.02), ("hull", 0.05)])
def test_every_extreme_point_at_once(horizon, form, size):
    solved = refused = 0
    for seed in range(4):
        env = random_environment(seed, sizes=(2, 2), actions=2, horizon=horizon, private_last=horizon != "infinite")
        kernels, points = described(env, form, size, np.random.default_rng(seed))
        least = [least_by_plain_rows(env, i, points) for i in range(2)]
        if None in least:
            refused += 1
            with pytest.raises(ConditionError, match="no transfers make the rule truthful"):
                robust_transfers(env, kernels)
            continue
        solved += 1
        found = robust_transfers(env, kernels)
        for i, fun in enumerate(least):
            sizes = [np.abs(row[i]).max() for row in found.payments]
            sizes += [] if env.infinite else [np.abs(found.last_payments[i]).max()]
            assert max(sizes) == pytest.approx(fun, rel=1e-6, abs=1e-8)
        assert check_contingent(found).holds
    assert solved >= 1


def test_no_kernel_of_the_set_leaves_a_gain():
    env = random_environment(1, sizes=(2, 3), actions=2, horizon="infinite")
    found, plain, rng, worst = (
        robust_transfers(env, 0.01),
        contingent_transfers(env, "any"),
        np.random.default_rng(0),
        0.0,
    )
    assert found.max_abs > plain.max_abs
    for _ in range(40):
        far = distribution(rng, env.kernel[0].shape[:3], env.kernel[0].shape[3:])
        gap = np.abs(far - env.kernel[0]).sum(axis=(3, 4), keepdims=True)
        near = replace(env, kernel=env.kernel[0] + np.minimum(1, 0.01 / gap) * (far - env.kernel[0]), exact=None)
        assert gain_under(found, near) <= 1e-9
        worst = max(worst, gain_under(plain, near))
    assert worst > 1e-5


def test_a_radius_of_nothing_is_any():
    for horizon in ("infinite", 3):
        env = random_environment(5, sizes=(3, 2), horizon=horizon, private_last=horizon == 3, cost=True)
        assert robust_transfers(env, 0).max_abs == pytest.approx(contingent_transfers(env, "any").max_abs, rel=1e-6)


def test_a_box_by_its_inequalities_is_the_box():
    env = random_environment(1, sizes=(2, 2), actions=2, horizon="infinite")
    table = env.kernel[0].reshape(2, 2, 2, 4)
    rows = KernelRows(np.vstack([np.eye(4), -np.eye(4)]), np.concatenate([table + 0.01, -(table - 0.01)], axis=-1))
    same = robust_transfers(env, KernelBox.around(env, 0.01))
    assert robust_transfers(env, rows).max_abs == pytest.approx(same.max_abs, rel=1e-6)
    assert same.max_abs > robust_transfers(env, 0).max_abs


def test_kernels_that_depend_on_the_action_where_the_given_one_does_not():
    env = random_environment(3, sizes=(2, 2), actions=2, horizon="infinite", controlled=False)
    moved = random_environment(4, sizes=(2, 2), actions=2, horizon="infinite")
    mixed = 0.98 * env.kernel[0] + 0.02 * moved.kernel[0]
    found = robust_transfers(env, KernelHull([mixed]))
    assert found.robust.controlled == (True,)
    least = [
        least_by_plain_rows(env, i, lambda t, a, s: [line(env, t, a, s), mixed[(a, *s)].ravel()]) for i in range(2)
    ]
    assert [np.abs(table).max() for table in found.payments[0]] == pytest.approx(least, rel=1e-6)


def test_sets_that_do_not_fit():
    env = random_environment(0, sizes=(2, 2), actions=2, horizon="infinite")
    kernel = env.kernel[0]
    wrong = {
        "is .2, 2. in period 0": lambda: KernelHull([np.eye(2)]),
        "does not sum to 1": lambda: KernelHull([kernel / 2]),
        "at least one kernel": lambda: KernelHull([]),
        "2 periods, the kernel has 1": lambda: KernelBox([kernel, kernel], [kernel, kernel]),
        "no distribution lies between": lambda: KernelBox(kernel + 1, kernel + 2),
        "own kernel of period 0 is not between": lambda: KernelBox(0 * kernel, np.full(kernel.shape, 0.3)),
        "at least 0": lambda: KernelBox.around(env, -1),
        "give a column": lambda: KernelRows(np.eye(3), np.ones(3)),
        "misses one by": lambda: KernelRows(np.eye(4), np.zeros(4)),
        "from 0 to 2": lambda: KernelBall(3),
    }
    for words, make in wrong.items():
        with pytest.raises(InputError, match=words):
            robust_transfers(env, make())


def test_worst_distributions_are_the_worst_of_all_extreme_points():
    from mechopt.environment.kernels.lines import Lines

    env = random_environment(7, sizes=(2, 2), actions=2, horizon="infinite")
    action, profile = (axis.ravel() for axis in np.indices((2, 4)))
    lines, rng = Lines(env, 0, action, profile), np.random.default_rng(1)
    worth = rng.normal(size=(8, 4))
    for radius in (0.0, 0.3, 2.0):
        ball = KernelBall(radius)
        low = (ball.points(lines, ball.worst(lines, worth)) * worth).sum(axis=1)
        for k, (a, s) in enumerate(zip(action, profile, strict=True)):
            here = env.kernel[0][a].reshape(4, 4)[s]
            assert low[k] == pytest.approx(min(q @ worth[k] for q in of_ball(here, radius)), abs=1e-12)
    box = KernelBox.around(env, "1/10")
    low = (box.points(lines, box.worst(lines, worth)) * worth).sum(axis=1)
    for k, (a, s) in enumerate(product(range(2), range(4))):
        here = env.kernel[0][a].reshape(4, 4)[s]
        assert low[k] == pytest.approx(min(q @ worth[k] for q in of_box(here, 0.1)), abs=1e-12)


@pytest.mark.parametrize("horizon", ["infinite", 1, 2])
def test_agents_who_have_one_signal_pay_nothing(horizon):
    env = rational(3, horizon, (2, 1), 0, alike=False)
    found = robust_transfers(env, "1/100", exact=True)
    assert all(not np.abs(row[1]).any() for row in found.payments)
    check_transfer_proof(env, transfer_proof(found))
    for kernels in (KernelBox.around(env, "1/100"), KernelHull([list(env.exact.kernel)])):
        assert all(not np.abs(row[1]).any() for row in robust_transfers(env, kernels).payments)
