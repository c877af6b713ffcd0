"""From distributions to types: grids against their definitions, errors by their formulas, files, and bad input."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

import mechopt as mo

DISTRIBUTIONS = {
    "uniform(1, 3)": stats.uniform(1, 2),
    "lognormal(0, 1/2)": stats.lognorm(0.5),
    "exponential(2)": stats.expon(scale=2),
    "beta(2, 3)": stats.beta(2, 3),
    "gamma(2, 0.5)": stats.gamma(2, scale=0.5),
    "normal(10, 1)": stats.norm(10, 1),
    "pareto(1, 4)": stats.pareto(4),
    "triangular(0, 1, 3)": stats.triang(1 / 3, 0, 3),
}


HEAVY = [("pareto(1, 4)", "gauss")]


@pytest.mark.parametrize("method", ["quantile", "equal-width", "gauss"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_names_and_frozen_distributions_give_the_same_exact_types(name, method):
    if (name, method) in HEAVY:
        with pytest.raises(mo.InputError, match="too heavy a tail for its moments up to the 9-th"):
            mo.discretise(name, 5, method)
        return
    grid = mo.discretise(name, 5, method)
    assert grid == mo.discretise(DISTRIBUTIONS[name], 5, method)
    assert all(isinstance(number, Fraction) for number in (*grid.values, *grid.probabilities))
    assert sum(grid.probabilities) == 1
    assert list(grid.values) == sorted(set(grid.values))
    mean = sum(float(v) * float(p) for v, p in zip(grid.values, grid.probabilities, strict=True))
    assert grid.mean_error == pytest.approx(mean - DISTRIBUTIONS[name].mean(), abs=1e-12)
    env = mo.IndependentTypes([[grid.values]], [[grid.probabilities]])
    assert env.exact is not None
    below = np.cumsum([float(p) for p in grid.probabilities])
    for k, error in enumerate(grid.virtual_errors):
        v, following = float(grid.values[k]), float(grid.values[k + 1])
        discrete = v - (following - v) * (1 - below[k]) / float(grid.probabilities[k])
        dist = DISTRIBUTIONS[name]
        if dist.pdf(v) > 0:
            assert error == pytest.approx(discrete - (v - dist.sf(v) / dist.pdf(v)), rel=1e-6, abs=1e-9)


def test_quantiles_and_intervals_by_definition():
    dist = stats.lognorm(0.5)
    grid = mo.discretise(dist, 8)
    np.testing.assert_allclose([float(v) for v in grid.values], dist.ppf((np.arange(8) + 0.5) / 8), rtol=1e-8)
    assert set(grid.probabilities) == {Fraction(1, 8)}
    wide = mo.discretise(stats.beta(2, 3), 4, "equal-width")
    assert wide.values == (Fraction(1, 8), Fraction(3, 8), Fraction(5, 8), Fraction(7, 8))
    np.testing.assert_allclose(
        [float(p) for p in wide.probabilities], np.diff(stats.beta(2, 3).cdf(np.linspace(0, 1, 5))), atol=1e-9
    )


def test_gauss_is_gauss_legendre_for_the_uniform_and_keeps_moments():
    nodes, weights = np.polynomial.legendre.leggauss(4)
    grid = mo.discretise("uniform(-1, 1)", 4, "gauss")
    np.testing.assert_allclose([float(v) for v in grid.values], nodes, atol=1e-6)
    np.testing.assert_allclose([float(p) for p in grid.probabilities], weights / 2, atol=1e-6)
    dist = stats.gamma(2, scale=0.5)
    kept = mo.discretise(dist, 4, "gauss")
    for power in range(1, 8):
        moment = sum(float(v) ** power * float(p) for v, p in zip(kept.values, kept.probabilities, strict=True))
        assert moment == pytest.approx(dist.moment(power), rel=1e-6)


def test_the_finer_the_grid_the_smaller_the_errors():
    for name in ("uniform(0, 1)", "beta(2, 3)", "exponential(1)"):
        errors = [abs(mo.discretise(name, n).mean_error) for n in (4, 16, 64)]
        assert errors[2] <= errors[1] <= errors[0] + 1e-12
    # the monopoly price of the uniform is 1/2 and earns 1/4
    grid = mo.discretise("uniform(0, 1)", 100)
    assert mo.mechanisms.myerson([(grid.values, grid.probabilities)]).revenue == pytest.approx(0.25, abs=6e-3)


MODEL = 'kind = "independent"\nhorizon = 2\n[[buyers]]\n{}\n'


def test_files_name_distributions():
    env = mo.loads(MODEL.format('distribution = "lognormal(0, 0.5)"\ntypes = 3\ncount = 2'))
    grid = mo.discretise("lognormal(0, 0.5)", 3)
    assert env == mo.IndependentTypes([[grid.values] * 2] * 2, [[grid.probabilities] * 2] * 2)
    gauss = mo.loads(MODEL.format('distribution = "uniform(1, 2)"\ntypes = 3\nmethod = "gauss"'))
    assert gauss.exact.values[0][0] == mo.discretise("uniform(1, 2)", 3, "gauss").values


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('distribution = "lognormal(0, 0.5)"', "buyers[0].types", "is missing"),
        ('distribution = "lognormale(0, 1)"\ntypes = 3', "buyers[0].distribution", "uniform(low, high)"),
        ('distribution = "uniform(1)"\ntypes = 3', "buyers[0].distribution", "write uniform(low, high)"),
        ('distribution = "uniform(2, 1)"\ntypes = 3', "buyers[0].distribution", "do not go together"),
        ('distribution = "uniform(1, x)"\ntypes = 3', "buyers[0].distribution", "uniform(low, high)"),
        ('distribution = "normal(0, 1)"\ntypes = 3', "buyers[0].distribution", "values must be at least 0"),
        ('distribution = "uniform(0, 1)"\ntypes = 0', "buyers[0].types", "whole number from 1"),
        ('distribution = "uniform(0, 1)"\ntypes = 3\nmethod = "guess"', "buyers[0].method", "quantile"),
        ('distribution = "uniform(0, 1)"\ntypes = 3\nvalues = [1]', "buyers[0].distribution", "stands beside values"),
        ("values = [1]\nprobabilities = [1]\ntypes = 3", "buyers[0].types", "is for a distribution"),
        ("distribution = 3\ntypes = 3", "buyers[0].distribution", ""),
    ],
)
def test_bad_keys_say_where_and_what(text, where, what):
    with pytest.raises(mo.InputError) as caught:
        mo.loads(MODEL.format(text))
    assert where in str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("dist", "types", "method"),
    [(stats.poisson(2), 3, "quantile"), (3, 3, "quantile"), (stats.norm(), 2.5, "quantile"), (stats.cauchy(), 3, "x")],
)
def test_bad_arguments(dist, types, method):
    with pytest.raises(mo.InputError):
        mo.discretise(dist, types, method)
