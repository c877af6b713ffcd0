"""Where matplotlib is not installed, a picture says what to install."""

import sys

import pytest

import mechopt as mo
from mechopt.show.figures.horizon import bracket_curve
from mechopt.show.figures.revenue import revenue_bars
from tests.study.sweeps import write_study

ENV = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
PICTURES = {
    "comparison": lambda folder: mo.compare(ENV, ["repeated-myerson"]).plot(),
    "revenue bars": lambda folder: revenue_bars(mo.compare(ENV, ["repeated-myerson"])),
    "frontier": lambda folder: mo.frontier(ENV).plot(),
    "fit": lambda folder: mo.fit.fit_values([1, 2, 2, 3], types=2).plot(),
    "bracket": lambda folder: bracket_curve([(2, mo.optimum(ENV).bound)]),
    "charging": lambda folder: mo.figures.charging_paths(mo.lemmas.charging(ENV)),
    "loss": lambda folder: mo.figures.asymptotic_losses(mo.lemmas.asymptotic_loss(ENV)),
    "trade-off": lambda folder: mo.figures.price_trade_off_curve(1.0),
    "intervals": lambda folder: mo.figures.shrinking_intervals([], [], []),
    "sweep": lambda folder: mo.sweep(
        write_study(folder, 'model = "base.toml"\nmechanisms = ["repeated-myerson"]\n[grid]\nhorizon = [1, 2]')
    ).plot(),
}


@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_a_picture_names_the_extra(name, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(mo.InputError, match=r'pictures need matplotlib; pip install "mechopt\[notebook\]"'):
        PICTURES[name](tmp_path)
