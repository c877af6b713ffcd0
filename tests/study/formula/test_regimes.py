"""Regimes of the virtual pivot with exact ends, against the pivot and the optimum at points."""

from fractions import Fraction
from random import Random

import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.modelfile.loading import parse
from tests.parametric_models import SEPARABLE, battaglini

TWO_LEVELS = """
kind = "separable"
horizon = 1
actions = ["none", "sell"]
cost = [0, "3/5"]
[parameters]
q = ["0", "1"]
[[agents]]
initial.values = [1, 2, 3]
initial.probabilities = ["1/2 - q/2", "1/2 - q/2", "q"]
signals = ["cold", "hot"]
signal_initial = ["1/2", "1/2"]
base = [[0, 0], ["1/2", 2]]
"""
RENT = TWO_LEVELS.replace("[1, 2, 3]", '[1, "5/4", 3]').replace('["1/2", 2]', '["1/2", 1]')


@pytest.mark.parametrize("text", [TWO_LEVELS, RENT, SEPARABLE], ids=["two-levels", "rent", "two-periods"])
def test_regimes_are_those_of_the_pivot_at_points(text: str) -> None:
    found, random = mo.formula(text), Random(text)
    assert found.proved and found.regimes[0].start == 0 and found.regimes[-1].stop == 1
    for regime in found.regimes:
        regime.start.narrowed(Fraction(1, 10**6))
        regime.stop.narrowed(Fraction(1, 10**6))
        for _ in range(4):
            share = Fraction(random.randrange(1, 97), 97)
            point = regime.start.upper + (regime.stop.lower - regime.start.upper) * share
            environment = parse(text, "text", {"q": point}).environment
            pivot = mo.virtual_pivot(environment)
            assert regime.letter in pivot.regime and ("a" in pivot.regime) == (regime.letter == "a")
            best = mo.optimum(environment, mo.BayesianIC(), mo.Interim()).value
            assert (pivot.bound - best < 1e-7) == (regime.letter != "c"), (point, regime)


def test_where_regime_b_begins() -> None:
    """Published prices fail from 2/7 on, where type 1 is no longer sold to, until she would not buy at them anyway."""
    found = mo.formula(TWO_LEVELS, prove=False)
    listed = [(regime.letter, regime.stop) for regime in found.regimes]
    ends = ["2/7", "3/8", "17/37", "9/19", "1"]
    assert listed == [(letter, Fraction(end)) for letter, end in zip("ababa", ends, strict=True)]
    for name in ("optimal-contract", "virtual-bound"):
        share = found.ratio(name)
        assert share.minimum == 1 and all(piece.function == 1 for piece in share.pieces)
    with pytest.raises(InputError, match=r"\(16\) fails.* at q = "):
        found.ratio("virtual-pivot")


def test_the_virtual_bound_is_at_least_the_optimum() -> None:
    found = mo.formula(RENT, prove=False)
    assert {regime.letter for regime in found.regimes} >= {"c"}
    share = found.ratio("virtual-bound")
    assert share.minimum == 1 and max(float(piece.function(Fraction(3, 7))) for piece in share.pieces) > 1


def test_where_there_are_no_regimes() -> None:
    assert mo.formula(battaglini(2), prove=False).regimes == ()
    assert mo.formula(TWO_LEVELS, "bayesian", "epir", prove=False).regimes == ()
    assert mo.formula(TWO_LEVELS, objective="welfare", prove=False).regimes == ()
    with pytest.raises(InputError, match="for kind 'separable'"):
        mo.formula(battaglini(2), prove=False).ratio("virtual-bound")
