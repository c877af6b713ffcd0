"""Pictures over time show the numbers of the mechanisms."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import mechopt as mo
from mechopt.show.figures.paths import balance_paths, price_path
from mechopt.study import paths
from mechopt.study.paths import balance_distributions, sample_path


@pytest.fixture(scope="module")
def bank():
    return mo.non_clairvoyant_balance(mo.IndependentTypes.iid([2, 4, 8], ["1/2", "1/4", "1/4"], horizon=6))


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_mean_and_bands_are_those_of_the_distribution(bank):
    axes = Figure().subplots()
    assert balance_paths(bank, axes, paths=0) is axes
    (mean,) = lines(axes).values()
    assert mean.get_ydata() == pytest.approx(
        [balance @ distribution for balance, distribution in balance_distributions(bank)]
    )
    outer, inner = (band.get_paths()[0].vertices for band in axes.collections)
    balance, distribution = balance_distributions(bank)[5]
    for band, low, high in ((outer, 0.05, 0.95), (inner, 0.25, 0.75)):
        ends = band[band[:, 0] == 5, 1]
        assert (
            distribution[balance < ends.min() - 1e-9].sum()
            < low
            <= distribution[balance <= ends.min() + 1e-9].sum() + 1e-9
        )
        assert (
            distribution[balance < ends.max() - 1e-9].sum()
            < high
            <= distribution[balance <= ends.max() + 1e-9].sum() + 1e-9
        )
    assert not axes.texts


def test_paths_start_with_nothing_and_follow_their_seed(bank):
    first, again, other = (lines(balance_paths(bank, seed=seed))["path 2"].get_ydata() for seed in (1, 1, 2))
    assert first[0] == 0 and (first >= 0).all()
    assert (first == again).all() and (first != other).any()


def test_bands_of_a_simulation_are_called_so(bank, monkeypatch):
    monkeypatch.setattr(paths, "EXACT_STATES", 1)
    assert [text.get_text() for text in balance_paths(bank).texts] == ["bands from 2,000 runs"]


def test_promises_are_called_promises():
    best = mo.mechanisms.promised_optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=4)).mechanism
    axes = balance_paths(best, paths=1)
    assert axes.get_ylabel() == "promise on which sales depend"
    assert lines(axes)["path 1"].get_ydata()[0] == pytest.approx(best.promise)


def test_faults_of_buyer_and_paths_come_together(bank):
    with pytest.raises(mo.InputError) as caught:
        balance_paths(bank, paths=7, buyer=1)
    assert "buyer: is 1; write 0 to 0" in str(caught.value) and "paths: is 7; write 0 to 4" in str(caught.value)


def test_prices_are_marked_where_an_agent_is_concerned():
    axes = Figure().subplots()
    assert price_path(mo.dynamic_pivot(mo.families.scheduling([10, 6, 3], "9/10")), axes, periods=3) is axes
    drawn = [line for line in axes.lines if line.get_label() == "agent 0 pays" or "her" in line.get_label()]
    paid, worth = drawn[0].get_ydata(), drawn[1].get_ydata()
    assert paid[0] == pytest.approx(0.87) and worth[0] == 10
    assert np.isnan(paid[1:]).all() and np.isnan(worth[1:]).all()
    assert [text.get_text() for text in axes.get_legend().get_texts()][::2] == [f"agent {i} pays" for i in range(3)]


def test_a_path_is_drawn_as_it_is():
    path = sample_path(mo.dynamic_pivot(mo.families.licensing([(1, 1), (1, 1)], 3, "9/10")), 4, 12)
    axes = price_path(path, values=False)
    for i in range(2):
        drawn = lines(axes)[f"agent {i} pays"].get_ydata()
        served = path.action == i
        assert drawn[served] == pytest.approx(path.transfer[served, i]) and np.isnan(drawn[~served]).all()
    assert not [name for name in lines(axes) if "value" in name]


def test_more_agents_than_marks_are_refused():
    with pytest.raises(mo.InputError, match="8 agents; colours and marks are for at most 7"):
        price_path(mo.dynamic_pivot(mo.families.scheduling(range(1, 9), "1/2")))
