"""All contingent transfers that exist, against a program written down here and best responses found here."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.program.possible import NoTransfersError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError, MechoptError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.verify import verify
from tests.closedform.contingent.raw_any_transfers import (
    SIZES,
    best_response_gain,
    farkas_is_right,
    instance,
    plain_program,
)
from tests.interdependent_instances import random_environment


def compared(env, last="efficient"):
    """One environment: the program of this file, the check, and best responses; or there are none, and proof."""
    try:
        found = contingent_transfers(env, "any", last)
    except NoTransfersError as error:
        policy = efficient(env)
        assert plain_program(env, policy, error.place.agent) is None
        assert farkas_is_right(env, error.farkas, policy)
        return
    assert check_contingent(found).holds
    largest = []
    for i in range(env.agents):
        sizes = [np.abs(row[i]).max() for row in found.payments]
        sizes += [] if env.infinite else [np.abs(found.last_payments[i]).max()]
        least = plain_program(env, found.policy, i)
        assert max(sizes) == pytest.approx(least, rel=1e-6, abs=1e-8)
        assert best_response_gain(found, i) <= 1e-9 * found.scale
        largest.append(max(sizes))
    assert found.max_abs == max(largest)


@pytest.mark.parametrize("horizon", ["infinite", 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_transfers_are_the_smallest_of_a_plain_program(seed, horizon):
    compared(instance(seed, horizon if np.prod(SIZES[seed % len(SIZES)]) < 13 else horizon and 2))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 300, 50))
@pytest.mark.parametrize("horizon", ["infinite", "finite"])
def test_three_hundred_environments_of_each_horizon(first, horizon):
    for seed in range(first, first + 50):
        periods = 2 + seed % 2 if np.prod(SIZES[seed % len(SIZES)]) < 12 else 2
        compared(instance(seed, periods if horizon == "finite" else horizon))


def rational(seed, horizon, sizes=(2, 3), gamma=2, alike=True):
    """Small whole numbers; with `alike` signals tell nothing of one another, and with gamma above 1 values cross."""
    rng = np.random.default_rng(seed)
    values = [[np.zeros(sizes, dtype=int).tolist() for _ in sizes] for _ in sizes]
    for i in range(len(sizes)):
        grid = np.indices(sizes)
        values[i][i] = (grid[i] + gamma * (grid.sum(axis=0) - grid[i]) + rng.integers(3, size=sizes)).tolist()

    def drawn(*lead):
        counts = rng.integers(1, 6, size=(*lead, int(np.prod(sizes))))
        exact = np.array([[Fraction(int(n), int(r.sum())) for n in r] for r in counts.reshape(-1, counts.shape[-1])])
        return exact.reshape(*lead, *sizes)

    kernel = np.broadcast_to(drawn(), (len(sizes), *sizes, *sizes)) if alike else drawn(len(sizes), *sizes)
    return InterdependentTypes(
        values, np.array(kernel, dtype=object), drawn(), horizon=horizon, discount="9/10" if horizon != 1 else 1
    )


def refused(env, **arguments):
    try:
        contingent_transfers(env, "any", **arguments)
    except NoTransfersError as error:
        return error.farkas
    return None


@pytest.mark.parametrize("horizon", ["infinite", 1, 2])
def test_where_there_are_none_the_multipliers_prove_it_exactly(horizon):
    proved = 0
    for seed in range(12):
        env = rational(seed, horizon, sizes=SIZES[seed % 4])
        proof = refused(env)
        policy = [stage for stage in contingent_transfers(env, "any", rule=zero_rule(env)).policy]
        assert all((stage == 0).all() for stage in policy)
        best = efficient(env)
        exists = all(plain_program(env, best, i) is not None for i in range(env.agents))
        assert exists == (proof is None)
        if proof is not None:
            assert proof.exact and proof.residual == 0 and farkas_is_right(env, proof, best)
            proved += 1
    assert proved >= 4


def zero_rule(env):
    """The first action whatever the signals: no transfers are needed."""
    return [np.zeros(shape, dtype=int) for shape in env.shape]


def efficient(env):
    from mechopt.closedform.pivot.efficient_joint import efficient_joint

    return efficient_joint(env).policy


def test_a_refusal_names_agent_action_and_signals():
    with pytest.raises(
        NoTransfersError, match=r"agent '\d', period 0, action '\d', others at '\d': signal '\d' reports"
    ):
        for seed in range(12):
            contingent_transfers(rational(seed, "infinite"), "any")


def test_the_cycle_of_the_last_period_is_the_proof():
    env = random_environment(1, sizes=(3, 3))
    proof = refused(env)
    assert proof.exact and {share.kind for share in proof.shares} == {"last"}
    assert len({(share.agent, share.others) for share in proof.shares}) == 1
    assert sorted(share.signal for share in proof.shares) == sorted(share.report for share in proof.shares)
    assert check_contingent(contingent_transfers(env, "any", "constant")).holds


CROSSED = {"spread": [[0.7, 0.2, 0.1], [0.4, 0.2, 0.4], [0.1, 0.2, 0.7]], "nothing": [[1 / 3] * 3] * 3}


@pytest.mark.parametrize("distribution", CROSSED.values(), ids=CROSSED)
def test_signals_of_notebook_six_that_convex_independence_refuses(distribution):
    distribution, own = np.array(distribution), np.arange(3.0)
    worth = np.zeros((2, 2, 3, 3))
    worth[0, 0] = own[:, None] + (own + 0.5) / 2
    worth[1, 1] = own + 0.5 + own[:, None] / 2
    env = InterdependentTypes(
        worth, np.einsum("xb,ya->xyab", distribution, distribution), np.full((3, 3), 1 / 9), discount=0.9
    )
    found = contingent_transfers(env, "any")
    assert found.max_abs == pytest.approx(25 / 18, rel=1e-9)
    assert check_contingent(found).holds


def test_independent_chains_by_hand():
    # Agent B's item at others' signal high: the payments 1/4 apart from each other and centred are 5/18 = (1/4)/(9/10).
    env = modelfile.load("liu-2025/independent-chains")
    found = contingent_transfers(env, "any", exact=True)
    assert found.max_abs == pytest.approx(5 / 18, rel=1e-9)
    assert exactly_right(env, found)


def exactly_right(env, found):
    """Whether fractions satisfy every inequality of an infinite horizon, with V from the truth (Gauss-Jordan here)."""
    numbers, policy = env.exact, found.policy[0]
    states = list(np.ndindex(env.shape[0]))

    def flow(i, true, r):
        reported = (*true[:i], r, *true[i + 1 :])
        a, others = policy[reported], tuple(s for j, s in enumerate(true) if j != i)
        due = np.expand_dims(found.exact.payments[0][i][(a, *others, r)], i)
        distribution = numbers.kernel[0][(a, *true)]
        return numbers.values[i][0][(a, *true)] - numbers.discount * (distribution * due).sum(), distribution.ravel()

    for i in range(env.agents):
        system = []
        for n, s in enumerate(states):
            reward, distribution = flow(i, s, s[i])
            system.append(
                [Fraction(n == m) - numbers.discount * distribution[m] for m in range(len(states))] + [reward]
            )
        for n in range(len(states)):
            pivot = system[n][n]
            system[n] = [entry / pivot for entry in system[n]]
            for m in range(len(states)):
                if m != n:
                    system[m] = [x - system[m][n] * y for x, y in zip(system[m], system[n], strict=True)]
        value = [line[-1] for line in system]
        for n, s in enumerate(states):
            for r in range(env.shape[0][i]):
                reward, distribution = flow(i, s, r)
                if reward + numbers.discount * sum(p * v for p, v in zip(distribution, value, strict=True)) > value[n]:
                    return False
    return True


@pytest.mark.parametrize("name", ["square-columns", "two-periods-stacked"])
def test_exact_transfers_satisfy_every_inequality(name):
    env = modelfile.load(f"liu-2025/{name}")
    found = contingent_transfers(env, "any", exact=True)
    assert exactly_right(env, found) and check_contingent(found).holds
    np.testing.assert_array_equal(found.exact.payments[0][1].astype(float), found.payments[0][1])
    reports = np.arange(env.shape[0][0])[:, None]
    worse = found.exact.payments[0][0] + Fraction(1, 10**12) * reports  # some report is now a little dearer
    spoiled = replace(found, exact=found.exact._replace(payments=((worse, found.exact.payments[0][1]),)))
    assert not exactly_right(env, spoiled)


def budget(found):
    """Expected payments and fees less costs, by following the truth for 400 periods."""
    env, reach, total = found.environment, found.environment.initial.copy(), sum(found.fees)
    for t in range(400):
        following = np.zeros_like(reach)
        for s in np.ndindex(env.shape[0]):
            a = found.policy[0][s]
            distribution = reach[s] * env.kernel[0][(a, *s)]
            total -= env.discount**t * reach[s] * env.costs[0][a]
            for i in range(env.agents):
                others = tuple(k for j, k in enumerate(s) if j != i)
                due = found.payments[0][i][(a, *others, s[i])]
                total += env.discount ** (t + 1) * (distribution.sum(axis=i) * due).sum()
            following += distribution
        reach = following
    return total


def test_objectives_and_demands():
    env = random_environment(12, sizes=(2, 3), horizon="infinite", actions=2, cost=True)
    plain = contingent_transfers(env, "any")
    ask = {"participation": "interim", "fee": True}
    rich = contingent_transfers(env, "any", objective="surplus", **ask)
    even = contingent_transfers(env, "any", objective="deficit", **ask)
    assert budget(rich) == pytest.approx(rich.revenue, abs=1e-9)
    assert rich.revenue >= even.revenue - 1e-7 and even.deficit <= 1e-7
    assert plain.max_abs <= even.max_abs + 1e-9 <= rich.max_abs + 2e-9
    for found in (rich, even):
        assert check_contingent(found).holds and min(found.utilities) >= -1e-7
    capped = contingent_transfers(env, "any", objective="surplus", cap=plain.max_abs * 1.01)
    assert capped.max_abs <= plain.max_abs * 1.01 * (1 + 1e-9) and check_contingent(capped).holds
    with pytest.raises(NoTransfersError, match="ask for less"):
        contingent_transfers(env, "any", cap=plain.max_abs * 0.99)
    with pytest.raises(InputError, match="unbounded where agents have to take part"):
        contingent_transfers(env, "any", objective="surplus")
    outside = contingent_transfers(env, "any", objective="surplus", outside=(1, "1/2"), **ask)
    assert outside.revenue == pytest.approx(rich.revenue - 1.5, abs=1e-6)


def test_participation_of_a_finite_horizon_is_verified_over_histories():
    env = random_environment(3, sizes=(2, 2), private_last=True)
    found = contingent_transfers(env, "any", objective="surplus", participation="interim", fee=True)
    mechanism = found.to_mechanism()
    assert mechanism.revenue == pytest.approx(found.revenue, abs=1e-9)
    assert mechanism.utilities == pytest.approx(found.utilities, abs=1e-9)
    from mechopt.mechanism.constraints import Interim, PeriodicExPostIC

    report = verify(mechanism, [PeriodicExPostIC(), Interim()])
    assert report[PeriodicExPostIC()].holds and report[Interim()].gain <= 1e-7


def test_a_budget_that_is_balanced_after_all_reports():
    env = random_environment(2, sizes=(2, 2), private_last=True)
    found = contingent_transfers(env, "any", "constant", balance="strong")
    for s in np.ndindex(2, 2):
        for then in np.ndindex(2, 2):
            a = found.policy[0][s]
            due = [found.payments[0][i][(a, s[1 - i], s[i], then[1 - i])] for i in range(2)]
            assert sum(due) == pytest.approx(0, abs=1e-9)
    assert found.revenue == pytest.approx(0, abs=1e-9) and check_contingent(found).holds


def test_the_form_of_values():
    env = random_environment(5, sizes=(3, 3), horizon="infinite")
    free, vcg, own = (contingent_transfers(env, "any", form=form) for form in ("free", "vcg", "surplus"))
    assert free.max_abs <= vcg.max_abs + 1e-9 and vcg.max_abs <= own.max_abs + 1e-9
    assert own.utilities == pytest.approx([own.welfare] * 2, rel=1e-9)
    convex = contingent_transfers(env, "convex", smallest=True)
    assert own.max_abs <= convex.max_abs * (1 + 1e-9)
    assert all(check_contingent(found).holds for found in (free, vcg, own))


def test_relaxing_and_scaling():
    env = random_environment(7, sizes=(2, 2, 2), horizon="infinite")
    found = contingent_transfers(env, "any")
    dear = contingent_transfers(replace(env, values=[[7 * table for table in own] for own in env.values]), "any")
    assert dear.max_abs == pytest.approx(7 * found.max_abs, rel=1e-7)
    closed = contingent_transfers(env, "convex", smallest=True)
    assert found.max_abs <= closed.max_abs


def test_one_period_and_one_signal():
    env = random_environment(0, sizes=(2, 3), horizon=1, private_last=True)
    assert contingent_transfers(env, "any").payments == ()
    compared(env)
    alone = random_environment(0, sizes=(1, 1), horizon="infinite")
    assert contingent_transfers(alone, "any").max_abs == 0


def test_a_saved_file_comes_back(tmp_path):
    from mechopt.mechanism.archive import load_mechanism

    env = random_environment(3, sizes=(2, 2), private_last=True)
    found = contingent_transfers(env, "any", objective="surplus", participation="interim", fee=True)
    found.save(tmp_path / "any.npz")
    again = load_mechanism(tmp_path / "any.npz", env)
    assert (again.method, again.fees, again.max_abs) == ("any", found.fees, found.max_abs)
    np.testing.assert_array_equal(again.payments[0][1], found.payments[0][1])


BAD = {
    "objective": {"objective": "least"},
    "participation": {"participation": "always"},
    "balance": {"balance": "no"},
    "form": {"form": "convex"},
    "outside": {"outside": (1, 2, 3)},
    "cap": {"cap": -1},
}


@pytest.mark.parametrize(("name", "arguments"), BAD.items(), ids=BAD)
def test_bad_demands(name, arguments):
    env = random_environment(0, sizes=(2, 2), horizon="infinite")
    with pytest.raises(InputError, match=name):
        contingent_transfers(env, "any", **arguments)
    with pytest.raises(MechoptError):
        contingent_transfers(env, "convex", **arguments)


def test_exact_asks_for_exact_probabilities():
    env = random_environment(0, sizes=(3, 3), horizon="infinite")
    assert env.exact is None
    with pytest.raises(InputError, match="fractions"):
        contingent_transfers(env, "any", exact=True)
