"""Columns that are nearly, or exactly, dependent: what separates them, what is flagged, and which targets are met."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt.closedform.contingent.conditions.exact_hull import binary_columns, exact_nearest
from mechopt.closedform.contingent.conditions.hull import hull_distances
from mechopt.closedform.contingent.conditions.spanning import convex_independence, matrices, spanning
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.rounding import Status
from tests.interdependent_instances import distribution, random_environment

UNFLAGGED = 1e-8
"""Largest violation of a target, relative to the largest target, that comes without a flag."""


def nearly_dependent(rng, signals, outcomes, apart):
    """Columns of which the last is that far, in some direction, from a mixture of the others."""
    columns = rng.dirichlet(np.ones(outcomes), size=signals).T
    direction = rng.normal(size=outcomes)
    direction -= direction.mean()
    columns[:, -1] = columns[:, :-1] @ rng.dirichlet(np.full(signals - 1, 3.0))
    columns[:, -1] += apart * direction / np.linalg.norm(direction)
    return np.clip(columns, 0, None) / np.clip(columns, 0, None).sum(axis=0)


def with_columns(rng, columns):
    """Two agents; the second one's next signal has the column of the first one's signal; values in [-1, 1]."""
    outcomes, signals = columns.shape
    back = distribution(rng, (outcomes,), (signals,))
    kernel = np.einsum("xb,ya->xyab", columns.T, back)
    first = np.full((signals, outcomes), 1 / (signals * outcomes))
    values = rng.uniform(-1, 1, size=(2, 2, signals, outcomes))
    return InterdependentTypes(values, kernel, first, discount=0.9)


def violation(env, found):
    """Largest violation of the conditions of Lemma A.3 of agent 0, and the largest target, in fractions."""
    worst, size = Fraction(0), Fraction(0)
    policy = found.policy[0]
    for s in range(env.shape[0][1]):
        for r in range(env.shape[0][0]):
            a = policy[r, s]
            pay = [Fraction(x) for x in found.payments[0][0][a, s, r].tolist()]
            for k in range(env.shape[0][0]):
                own = [Fraction(float(x)) for x in matrices(env, 0, 0)[a, s, :, k]]
                target = -Fraction(float(env.values[1][0][a, k, s])) / Fraction(env.discount)
                short = target - sum(x * y for x, y in zip(pay, own, strict=True))
                worst, size = max(worst, abs(short) if k == r else short), max(size, abs(target))
    return float(worst), float(size)


@pytest.mark.parametrize("signals", [3, 4])
@pytest.mark.parametrize("power", range(3, 14))
def test_no_violation_without_a_flag(signals, power):
    rng = np.random.default_rng(power)
    for _ in range(4):
        env = with_columns(rng, nearly_dependent(rng, signals, signals, 10.0**-power))
        for smallest in (False, True):
            try:
                found = contingent_transfers(env, "convex", smallest=smallest)
            except ConditionError:
                assert power >= 10  # nearer than what probabilities are told apart by
                continue
            worst, size = violation(env, found)
            assert worst <= UNFLAGGED * size or found.ill_conditioned
            assert worst <= 1e-14 * found.max_abs
            assert found.ill_conditioned == (found.condition > 1e6)
            assert found.ill_conditioned or power < 8
            assert "ill-conditioned" in repr(convex_independence(env)) or power < 8
            checked = check_contingent(found)  # undecided where floats cannot tell
            assert checked.status is not Status.VIOLATED and checked.gain <= checked.rounding + checked.tolerance
        assert not spanning(env).holds or convex_independence(env).holds


@pytest.mark.slow
@pytest.mark.parametrize("signals", [3, 4])
def test_sixty_of_each_distance(signals):
    for power in range(3, 14):
        rng = np.random.default_rng(power)
        for _ in range(60):
            env = with_columns(rng, nearly_dependent(rng, signals, signals, 10.0**-power))
            try:
                found = contingent_transfers(env, "convex")
            except ConditionError:
                assert power >= 10
                continue
            worst, size = violation(env, found)
            assert worst <= 1e-14 * found.max_abs
            assert worst <= UNFLAGGED * size or found.ill_conditioned


@pytest.mark.parametrize("power", [3, 7, 9, 11])
def test_separating_vectors_reach_the_distance_of_the_best_face(power):
    rng = np.random.default_rng(100 + power)
    for outcomes in (3, 4):
        columns = nearly_dependent(rng, 4, outcomes, 10.0**-power)
        found = hull_distances(columns[np.newaxis])
        for k in range(4):
            exact = best_face(columns, k)
            assert found.distance[0, k] == pytest.approx(exact, rel=1e-9, abs=1.01e-12)
            if found.distance[0, k] > 0:
                z = [Fraction(x) for x in found.direction[0, k].tolist()]
                given = binary_columns(columns)
                for other in range(4):
                    if other != k:
                        reach = sum(x * (a - b) for x, a, b in zip(z, given[k], given[other], strict=True))
                        assert float(reach) >= exact * (1 - 1e-4)


def best_face(columns, k):
    """Distance to the hull of the others, over all faces: the nearest point of each affine hull, in fractions."""
    points = [
        [Fraction(a) - Fraction(b) for a, b in zip(columns[:, n].tolist(), columns[:, k].tolist(), strict=True)]
        for n in range(columns.shape[1])
        if n != k
    ]
    best = None
    for size in range(1, len(points) + 1):
        for face in combinations(points, size):
            weights = affine_weights(face)
            if weights is None or any(w < 0 for w in weights):
                continue
            at = [sum(w * p[n] for w, p in zip(weights, face, strict=True)) for n in range(len(points[0]))]
            square = sum(x * x for x in at)
            best = square if best is None or square < best else best
    return float(best) ** 0.5


def affine_weights(face):
    """Weights of the nearest point to 0 by the normal equations, Cramer-free elimination; None where singular."""
    size = len(face)
    dot = [[sum(a * b for a, b in zip(p, q, strict=True)) for q in face] for p in face]
    system = [[*dot[n], Fraction(1), Fraction(0)] for n in range(size)]
    system.append([*[Fraction(1)] * size, Fraction(0), Fraction(1)])
    for n in range(size + 1):
        pivot = next((m for m in range(n, size + 1) if system[m][n]), None)
        if pivot is None:
            return None
        system[n], system[pivot] = system[pivot], system[n]
        system[n] = [x / system[n][n] for x in system[n]]
        for m in range(size + 1):
            if m != n:
                system[m] = [x - system[m][n] * y for x, y in zip(system[m], system[n], strict=True)]
    return [line[-1] for line in system[:size]]


def test_exact_data_are_projected_exactly():
    # two equal columns apart by e in (1, -1, 0), and a third: the distance of either is e sqrt(2), which floats of
    # size 1/3 round in the seventh digit
    e = Fraction(1, 3 * 10**9)
    third = [Fraction(1, 7), Fraction(2, 7), Fraction(4, 7)]
    columns = [[Fraction(1, 3) + e, Fraction(1, 3) - e, Fraction(1, 3)], [Fraction(1, 3)] * 3, third]
    kernel = np.empty((3, 3, 3, 3), dtype=object)
    for x, y, a, b in np.ndindex(3, 3, 3, 3):
        kernel[x, y, a, b] = columns[x][b] * Fraction(1 + 3 * (a == y), 6)
    initial = np.full((3, 3), Fraction(1, 9), dtype=object)
    env = InterdependentTypes(np.zeros((2, 1, 3, 3), dtype=int).tolist(), kernel, initial, discount="9/10")
    found = convex_independence(env)
    assert found.ill_conditioned
    exact = [float(sum(x * x for x in exact_nearest(columns, k))) ** 0.5 for k in range(3)]
    np.testing.assert_allclose(found.distances[0][0][0, 0], exact, rtol=1e-14)
    floats = hull_distances(matrices(env, 0, 0)[0, :1])
    assert abs(floats.distance[0, 0] / exact[0] - 1) > 1e-12
    system_distances = contingent_transfers(env, "convex").condition
    assert system_distances == pytest.approx(found.condition, rel=1e-12)


def test_the_nearest_point_is_exact():
    rng = np.random.default_rng(5)
    for _ in range(20):
        columns = rng.integers(0, 5, size=(3, 5)).astype(float)
        for k in range(5):
            given = binary_columns(columns)
            at = exact_nearest(given, k)
            square = sum(x * x for x in at)
            reach = [
                sum(x * (a - b) for x, a, b in zip(at, given[k], given[n], strict=True)) for n in range(5) if n != k
            ]
            assert min(reach) == square  # variational inequality: optimal, with equality on the face


def meets(columns, target, report):
    """Whether some transfer is worth the target at the report and no less than the others', by a linear program."""
    lies = [k for k in range(len(target)) if k != report]
    found = linprog(
        np.zeros(len(columns)),
        A_ub=-columns[:, lies].T,
        b_ub=-target[lies] + 1e-11,
        A_eq=columns[:, [report]].T,
        b_eq=target[[report]],
        bounds=(None, None),
    )
    return found.status == 0


@pytest.mark.parametrize("kind", ["private", "interdependent"])
def test_each_target_is_tried_on_its_own(kind):
    solved = refused = 0
    for seed in range(30):
        env = random_environment(seed, sizes=(3, 2), horizon="infinite", actions=2)  # three columns on a line
        if kind == "private":
            rng = np.random.default_rng(seed)
            own = [rng.uniform(-1, 1, (2, 3, 1)), rng.uniform(-1, 1, (2, 1, 2))]
            env = replace(env, values=np.stack([np.broadcast_to(table, (2, 3, 2)) for table in own]))
        assert not convex_independence(env).holds
        try:
            found = contingent_transfers(env, "convex")
        except ConditionError as error:
            place = error.place
            columns = matrices(env, 0, place.agent)[(place.action, *place.others)]
            others = env.values[1 - place.agent][0]
            target = -np.moveaxis(others, 1 + place.agent, -1)[(place.action, *place.others)] / env.discount
            assert not meets(columns, target, place.signal)
            refused += 1
            continue
        assert check_contingent(found).holds and found.theorem in ("Theorem 3.1", "Theorem 3.1, target by target")
        solved += 1
    assert refused >= 4 if kind == "interdependent" else refused == 0
    assert solved >= 4


def test_the_flag_is_saved(tmp_path):
    from mechopt.mechanism.archive import load_mechanism

    rng = np.random.default_rng(9)
    env = with_columns(rng, nearly_dependent(rng, 3, 3, 1e-9))
    found = contingent_transfers(env, "convex")
    found.save(tmp_path / "flagged.npz")
    again = load_mechanism(tmp_path / "flagged.npz", env)
    assert found.ill_conditioned and again.ill_conditioned and again.condition == found.condition


def test_an_exact_copy_of_a_signal_is_solved():
    rng = np.random.default_rng(1)
    columns = distribution(rng, (3,), (3,)).T
    env = with_columns(rng, columns[:, [0, 1, 2, 2]])
    env = replace(env, values=env.profile_values[0][:, :, [0, 1, 2, 2]])
    assert convex_independence(env).distance == 0 and spanning(env).rank == 3
    for method in ("convex", "spanning"):
        found = contingent_transfers(env, method)
        assert found.theorem.endswith("target by target") and check_contingent(found).holds


def test_a_rank_and_a_distance_do_not_contradict_each_other():
    for power in range(9, 16):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            env = with_columns(rng, nearly_dependent(rng, 3, 3, 10.0**-power))
            rank, hull = spanning(env), convex_independence(env)
            assert not rank.holds or hull.holds
            if rank.holds:
                assert hull.distance >= rank.smallest_singular_value * (1 - 1e-6)
                assert rank.ill_conditioned and hull.ill_conditioned


@pytest.mark.parametrize("arguments", [("spanning", {}), ("stacked", {"steps": 1}), ("stacked", {"joint": True})])
@pytest.mark.parametrize("signals", [3, 4])
@pytest.mark.parametrize("power", range(3, 14))
def test_no_gain_of_transfers_by_spanning_without_a_flag(signals, power, arguments):
    rng, method, more = np.random.default_rng(50 + power), arguments[0], arguments[1]
    for _ in range(3):
        env = with_columns(rng, nearly_dependent(rng, signals, signals, 10.0**-power))
        try:
            found = contingent_transfers(env, method, **more)
        except ConditionError:
            assert power >= 9  # what is kept of the matrix does not meet the targets
            continue
        checked = check_contingent(found)
        assert checked.status is not Status.VIOLATED
        assert found.ill_conditioned or max(checked.gain, checked.rounding) <= 1e-5
        assert found.max_abs <= 100 * found.condition
