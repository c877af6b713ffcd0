"""Systems of contingent transfers, what restores their conditions, and payments as tables."""

import json
from fractions import Fraction

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.conditions.hull import hull_distances
from mechopt.closedform.contingent.conditions.spanning import convex_independence, spanning
from mechopt.closedform.contingent.program.places import transfer_systems
from mechopt.closedform.contingent.program.tables import payment_rows
from mechopt.closedform.contingent.targets import target
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from tests.interdependent_instances import random_environment


def lost_by(matrix):
    """Smallest |My| over unit vectors that sum to 0, by a program in the projected Gram matrix."""
    count = matrix.shape[1]
    project = np.eye(count) - np.full((count, count), 1 / count)
    gram = project @ matrix.T @ matrix @ project + np.full((count, count), 1e6)
    return np.sqrt(max(np.linalg.eigvalsh(gram)[0], 0))


@pytest.mark.parametrize("sizes", [(2, 3), (3, 3), (4, 3), (2, 2, 3), (1, 4)])
def test_every_place_is_there_with_what_the_conditions_say(sizes):
    env = random_environment(1, sizes=sizes, horizon=3)
    found, hull, ranks = transfer_systems(env, "constant"), convex_independence(env), spanning(env)
    places = [(s.place.period, s.place.agent, s.place.action, s.place.others) for s in found]
    others = [tuple(n for j, n in enumerate(sizes) if j != i) for i in range(len(sizes))]
    assert places == [
        (t, i, a, s) for t in range(2) for i in range(len(sizes)) for a in range(3) for s in np.ndindex(others[i])
    ]
    for system in found:
        t, i, at = system.place.period, system.place.agent, (system.place.action, *system.place.others)
        assert system.rank == ranks.ranks[t][i][at]
        np.testing.assert_array_equal(system.distances, hull.distances[t][i][at])
        np.testing.assert_allclose(system.matrix.sum(axis=0), 1)
        assert np.abs(system.matrix @ system.null_vectors.T).max(initial=0) < 1e-12
        assert len(system.null_vectors) == sizes[i] - system.rank
    assert bool(found.failing("spanning", needed=False)) == (not ranks.holds)
    assert bool(found.failing("convex_independence", needed=False)) == (not hull.holds)
    assert len(found.to_frame()) == len(found)


def test_targets_and_reports_that_lead():
    env = random_environment(2, sizes=(3, 2), horizon="infinite")
    best = efficient_joint(env)
    for system in transfer_systems(env):
        i, a, (s,) = system.place.agent, system.place.action, system.place.others
        aim = target(env, i, 0, best.welfare, best.welfare)[a]
        np.testing.assert_allclose(system.target, aim[:, s] if i == 0 else aim[s])
        reached = best.policy[0][:, s] if i == 0 else best.policy[0][s]
        assert system.used.tolist() == (reached == a).tolist()


def test_losing_spanning():
    rng = np.random.default_rng(0)
    for system in transfer_systems(random_environment(3, sizes=(3, 4), horizon="infinite")):
        matrix = system.matrix
        assert system.to_lose_spanning == pytest.approx(lost_by(matrix) if system.spanning else 0, rel=1e-6, abs=1e-9)
        for _ in range(20):  # no smaller change does it
            change = rng.normal(size=matrix.shape)
            change -= change.mean(axis=0)
            change *= 0.99 * system.to_lose_spanning / np.linalg.norm(change, 2)
            assert np.linalg.matrix_rank(matrix + change) == matrix.shape[1] or not system.spanning


@pytest.mark.parametrize("margin", [0.01, 0.1])
def test_what_restores_a_condition(margin):
    restored = 0
    for sizes in ((3, 2), (3, 3), (4, 3), (2, 2, 2)):
        env = random_environment(4, sizes=sizes, horizon="infinite", actions=2)
        for system in transfer_systems(env):
            count = system.matrix.shape[1]
            convex = system.restoring_convex_independence(margin)
            if len(system.matrix) == 2 and count == 3:
                assert convex is None  # two outcomes: some column always lies between the others
                continue
            assert convex.reached
            np.testing.assert_allclose(convex.change.sum(axis=0), 0, atol=1e-12)
            if np.count_nonzero(system.distances < margin) == 1:  # one column moves, the others stay
                k = int(system.distances.argmin())
                moved = hull_distances((system.matrix + convex.change)[np.newaxis])
                assert moved.distance[0, k] == pytest.approx(margin, rel=1e-6)
                restored += 1
            elif system.distances.min() >= margin:
                assert convex.size == 0
            change = system.restoring_spanning(margin)
            assert (change is None) == (count > len(system.matrix))
            if change is not None and count > 1:
                np.testing.assert_allclose(change.change.sum(axis=0), 0, atol=1e-12)
                assert lost_by(system.matrix + change.change) >= margin * (1 - 1e-6)
                assert change.probabilities == bool((system.matrix + change.change >= -1e-12).all())
                sizes_now = np.linalg.svd(system.matrix - system.matrix.mean(axis=1, keepdims=True))[1][: count - 1]
                short = np.maximum(margin - sizes_now, 0)
                assert change.size == pytest.approx(np.sqrt((short**2).sum()), abs=1e-9)
    assert restored >= 4


def test_an_interior_column_leaves_through_the_nearest_facet():
    # triangle with a column at its centre: the facets are 1/sqrt(6) of the edge sqrt(2) away, here edge .9 sqrt(2)
    corners = 0.9 * np.eye(3) + 0.1 / 3
    columns = np.column_stack([corners, np.full(3, 1 / 3)])
    kernel = np.einsum("xb,ya->xyab", columns.T, np.full((3, 4), 0.25))
    from mechopt.environment.interdependent import InterdependentTypes

    env = InterdependentTypes(np.zeros((2, 1, 4, 3)), kernel, np.full((4, 3), 1 / 12), discount=0.5)
    system = next(iter(transfer_systems(env)))
    assert system.failing_signals == (3,)
    size = system.restoring_convex_independence(0.05).size
    assert size == pytest.approx(0.9 / np.sqrt(6) + 0.05, rel=1e-9)


def test_null_vectors_say_whether_targets_can_be_met():
    for name, solved in (("two-periods-stacked", True), ("square-columns", False)):
        systems = transfer_systems(modelfile.load(f"liu-2025/{name}"))
        failing = systems.failing("spanning")
        assert failing
        assert all(np.abs(system.unmet).max() < 1e-12 for system in failing) == solved


def test_payments_as_rows():
    env = modelfile.load("liu-2025/crossed-signals")
    found = contingent_transfers(env, "any", exact=True, participation="interim", fee=True, objective="surplus")
    rows = payment_rows(found)
    frame = found.to_frame()
    assert len(frame) == len(rows) == 2 + 2 * 2 * 4 * 2 + 2 * 4
    for row in rows[2:]:
        assert float(Fraction(row["exact"])) == row["payment"]
    i, t = env.names.index("B"), 1
    for row in rows:
        if row["agent"] != "B" or row["period"] != t or row["due"] != t + 1:
            continue
        a = env.action_names(t).index(row["action"])
        s, r, n = (
            env.types[j][t].index(name)
            for j, name in ((0, row["others"][0]), (1, row["report"]), (0, row["others_next"][0]))
        )
        assert row["payment"] == found.payments[t][i][a, s, r, n] and found.policy[t][s, r] == a
    spanned = payment_rows(contingent_transfers(env, "spanning"))
    assert all(row["report"] is None for row in spanned if row["due"] != row["period"])


def test_the_command_line(mechopt, tmp_path):
    name = "liu-2025/square-columns"
    status, out, _ = mechopt("transfers", name, "--systems", "--payments", "--json")
    document = json.loads(out)
    assert status == 0 and len(document["systems"]) == 2 * 3 + 2 * 4
    first = document["systems"][0]
    assert first["rank"] == 3 and len(first["singular_values"]) == 3 and len(first["null_vectors"]) == 1
    assert first["to_restore_spanning"] is None and np.shape(first["matrix"]) == (3, 4)
    assert max(abs(row["payment"]) for row in document["payments"]) == pytest.approx(160 / 27)
    status, out, _ = mechopt("transfers", name, "--systems", "--csv", tmp_path / "s.csv", "--latex", tmp_path / "s.tex")
    assert status == 0 and "null vector" in out and "singular values" in out
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 1 + 14
    assert (tmp_path / "s.tex").read_text().startswith(r"\begin{tabular}")
    status, out, _ = mechopt("transfers", name, "--payments", "--csv", tmp_path / "p.csv")
    assert "payment" in out and (tmp_path / "p.csv").read_text().startswith("agent,period,due,action")
    status, _, err = mechopt("transfers", "liu-2025/independent-chains", "--csv", tmp_path / "none.csv")
    assert status == 2 and "no payments" in err and not (tmp_path / "none.csv").exists()
