"""Pictures of lemmas: their numbers are those of the results."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.show.figures.lemmas import asymptotic_losses, charging_paths, price_trade_off_curve


def test_charging_paths():
    env = mo.IndependentTypes([[[1], [1, 3]], [[2], [1, 2]]], [[[1], ["1/2", "1/2"]], [[1], ["1/4", "3/4"]]])
    found = mo.lemmas.charging(env)
    axes = charging_paths(found)
    steps = {patch.get_label(): patch.get_data() for patch in axes.patches}
    order = np.argsort(found.left, kind="stable")
    values, edges, _ = steps["spends, twice"]
    assert values.tolist() == pytest.approx((2 * found.spends[order]).tolist())
    assert np.diff(edges).tolist() == pytest.approx(found.reach[order].tolist())
    values, _, baseline = steps["second-price auction"]
    assert (values - baseline).tolist() == pytest.approx((0.4 * found.second[order]).tolist())
    assert steps["share of the optimum's spends"].values.tolist() == pytest.approx(
        (0.4 * found.optimal_spends[order]).tolist()
    )
    assert f"{found.covered['paid'][0]:.4g}" in axes.get_title()


def test_asymptotic_losses():
    found = mo.lemmas.asymptotic_loss(mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], horizon=30))
    axes = asymptotic_losses(found)
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["loss"].get_ydata().tolist() == pytest.approx((found.loss / np.arange(1, 31)).tolist())
    assert lines["bound (F.2), Azuma"].get_ydata()[-1] == pytest.approx(found.azuma_bound[-1] / 30)
    assert axes.get_xlabel() == "number of periods"
    assert asymptotic_losses(found, axes) is axes


def test_price_trade_off_curve():
    axes = price_trade_off_curve(2.0, 0.1)
    line = axes.lines[0]
    prices = (np.asarray(line.get_xdata()) - 1) / 2
    assert line.get_ydata()[5] == pytest.approx(float(mo.lemmas.price_trade_off(2.0, prices[5], 0.1)))
    assert max(line.get_ydata()) == pytest.approx(mo.lemmas.gap_bound(2.0, 0.1).beta)
