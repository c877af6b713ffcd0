"""Sample paths and balances by period: by hand, and against what the mechanisms themselves expect."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.pivot.alternatives import bond
from mechopt.study import paths
from mechopt.study.paths import balance_distributions, balance_quantiles, sample_path, simulated_balances

QUARTERS = np.array([0.25, 0.5, 0.75])


@pytest.fixture
def doubling():
    """Values 1 or 2; each value doubled goes to the account, nothing leaves: the balance is twice their sum."""
    env = mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=3)

    def stage(t, balance):
        shape = (1, balance.shape[1], 2)
        zero = np.zeros(shape)
        return mo.results.Stage(balance, zero, zero, np.zeros_like(balance), np.broadcast_to([2.0, 4.0], shape))

    return mo.results.BankAccountMechanism(env, stage)


def test_tasks_are_done_in_the_order_of_their_worth_at_the_prices_of_the_paper():
    # (10, 6, 3), discount 9/10: prices 0.87, 0.30, 0
    path = sample_path(mo.dynamic_pivot(mo.families.scheduling([6, 10, 3], "9/10")), periods=3)
    assert path.actions == ("serve 1", "serve 0", "serve 2")
    assert path.types.tolist() == [[0, 0, 0], [0, 1, 0], [1, 1, 0]]
    assert path.value.tolist() == [[0, 10, 0], [6, 0, 0], [0, 0, 3]]
    assert path.transfer == pytest.approx(np.array([[0, 0.87, 0], [0.3, 0, 0], [0, 0, 0]]))


def test_an_infinite_horizon_is_cut_and_a_finite_one_is_not():
    endless = mo.dynamic_pivot(mo.families.many_tasks_against_one(5, 3, "4/5"))
    path = sample_path(endless)
    assert len(path.action) == paths.DEFAULT_PERIODS and path.transfer[:, 0] == pytest.approx(0.6)
    env = mo.families.battaglini(horizon=4)
    assert len(sample_path(mo.dynamic_pivot(env)).action) == 4
    with pytest.raises(mo.InputError, match="periods: is 5; write 1 to 4"):
        sample_path(mo.dynamic_pivot(env), periods=5)


def test_transfers_of_the_first_periods_are_their_own():
    env = mo.families.many_tasks_against_one(5, 3, "1/2")
    path = sample_path(bond(env, 2), periods=4)
    # the pivot's 3/2 (half of the lost 3), two more at first, four less in period 1, then as before
    assert path.transfer[:, 0] == pytest.approx([3.5, -2.5, 1.5, 1.5])


def test_paths_have_the_distribution_of_the_mechanism():
    pivot = mo.dynamic_pivot(mo.families.licensing([(1, 1), (1, 2)], 3, "1/2"))
    rng, total = np.random.default_rng(0), 0.0
    weights = 0.5 ** np.arange(12)
    for _ in range(400):
        total += float(weights @ sample_path(pivot, rng, 12).transfer.sum(axis=1)) / 400
    assert total == pytest.approx(pivot.revenue, abs=0.03)  # standard error about 0.008


def test_balances_that_only_grow_have_the_binomial_distribution(doubling):
    before = [
        dict(zip(balance.tolist(), distribution.tolist(), strict=True))
        for balance, distribution in balance_distributions(doubling)
    ]
    assert before[0] == {0: 1} and before[1] == {2: 1 / 4, 4: 3 / 4}
    assert before[2] == pytest.approx({4: 1 / 16, 6: 6 / 16, 8: 9 / 16})
    quantiles, means, exact = balance_quantiles(doubling, QUARTERS, np.random.default_rng(0))
    assert exact and quantiles.tolist() == [[0, 0, 0], [2, 4, 4], [6, 8, 8]]
    assert means == pytest.approx([0, 3.5, 7])


def test_balances_that_cannot_be_followed_are_simulated(doubling, monkeypatch):
    monkeypatch.setattr(paths, "EXACT_STATES", 1)
    _, means, exact = balance_quantiles(doubling, QUARTERS, np.random.default_rng(0))
    assert not exact and means == pytest.approx([0, 3.5, 7], abs=0.1)


def test_accounts_of_two_buyers_are_told_apart():
    env = mo.IndependentTypes([[[1, 2]] * 3, [[10, 20]] * 3], [[["1/2", "1/2"]] * 3] * 2)
    bank = mo.non_clairvoyant_balance(env)
    rng = np.random.default_rng(1)
    for buyer in range(2):
        expected = [balance @ distribution for balance, distribution in balance_distributions(bank, buyer)]
        drawn = simulated_balances(bank, rng, 20_000, buyer).mean(axis=1)
        assert drawn == pytest.approx(expected, rel=0.05)
    assert balance_distributions(bank, 1)[1][0].max() > 4 * balance_distributions(bank, 0)[1][0].max()


@pytest.mark.parametrize("form", ["policy", "table"])
def test_promises_have_the_means_of_their_distribution(form):
    policy = mo.mechanisms.promised_optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=8)).mechanism
    account = policy if form == "policy" else policy.to_bank_table()
    drawn = simulated_balances(account, np.random.default_rng(3), 40_000)
    expected = [balance @ distribution for balance, distribution in balance_distributions(account)]
    assert drawn.mean(axis=1) == pytest.approx(expected, abs=0.03)
    assert expected[0] == pytest.approx(policy.promise if form == "policy" else 0)
