"""Types drawn afresh for ever: closed forms, published brackets, blocks that begin again, files."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.families import IndependentForever

FILE = """
kind = "independent"
horizon = "infinite"
discount = "9/10"

[[buyers]]
values = [1, 2]
probabilities = ["1/2", "1/2"]
"""


@pytest.mark.parametrize(
    ("discount", "low", "high"),
    [
        ("1/2", 4 - 3**0.5, 4 - 3**0.5),
        ("9/10", 13.053387, 13.053395),
        pytest.param("19/20", 27.014896, 27.014922, marks=pytest.mark.slow),
    ],
)
def test_even_types_one_and_two_under_epir(discount, low, high):
    # 4 - sqrt 3 by hand; the others are brackets of a recursion of its own on a grid
    best = mo.optimum(IndependentForever([[1, 2]], [["1/2", "1/2"]], discount))
    assert best.bound.lower <= high + 1e-9
    assert low - 1e-9 <= best.bound.upper
    assert best.bound.upper - best.bound.lower <= 1e-6 * best.bound.upper
    assert mo.verify(best.mechanism).holds
    assert [claim.name for claim in best.mechanism.claims] == ["dic", "epir"]


def myerson(values, distribution, cost):
    """Largest revenue of one posted price."""
    return max(0.0, *(float(distribution[values >= p].sum() * (p - cost)) for p in values))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ir", ["interim", "periodic"])
def test_interim_participation_sells_the_first_item_by_myerson_and_all_later_surplus(seed, ir):
    rng = np.random.default_rng(seed)
    n, d, cost = 1 + seed % 2, rng.uniform(0.3, 0.95), rng.uniform(0, 0.5)
    values = [np.sort(rng.uniform(0, 2, size=3)) for _ in range(n)]
    distributions = [rng.dirichlet(np.ones(3)) for _ in range(n)]
    env = IndependentForever(values, distributions, d, cost)
    best = mo.optimum(env, ir=ir)
    surplus = 0.0
    for profile in np.ndindex(*(3,) * n):
        chance = np.prod([distributions[i][k] for i, k in enumerate(profile)])
        surplus += chance * max(0.0, max(values[i][k] for i, k in enumerate(profile)) - cost)
    first = mo.optimum(
        mo.IndependentTypes([[v] for v in values], [[p] for p in distributions], cost), ir="interim"
    ).value
    if n == 1:
        assert first == pytest.approx(myerson(values[0], distributions[0], cost), abs=1e-8)
    assert best.value == pytest.approx(first + d * surplus / (1 - d), abs=1e-7)
    assert best.bound.lower <= first + d * surplus / (1 - d) + 1e-9
    assert mo.verify(best.mechanism, ["dic", "periodic"]).holds


@pytest.mark.parametrize("ir", ["epir", "prefix", "per-period"])
def test_blocks_of_several_buyers_begin_again(ir):
    env = IndependentForever([[1, 2]] * 2, [["1/2", "1/2"]] * 2, "1/2")
    best = mo.optimum(env, ir=ir, time_limit=1)
    finite = mo.optimum(env.first_periods(3), ir=ir).value
    assert best.bound.lower <= best.bound.upper
    assert finite <= best.bound.upper + 1e-9
    assert best.bound.lower <= finite + 0.5**3 * env.first_best + 1e-9
    assert mo.verify(best.mechanism).holds
    assert mo.verify(best.mechanism, "dic", exact=True).holds


def test_one_buyer_per_period_and_what_is_refused():
    env = IndependentForever([[1, 2]], [["1/2", "1/2"]], "1/2")
    best = mo.optimum(env, ir="per-period")
    assert best.bound.lower <= 4 - 3**0.5 <= best.bound.upper
    assert mo.verify(best.mechanism).holds
    with pytest.raises(mo.InputError, match="is for an infinite horizon, revenue"):
        mo.optimum(env, ic="ppic")
    with pytest.raises(mo.InputError, match="below 1"):
        IndependentForever([[1, 2]], [["1/2", "1/2"]], 1)
    with pytest.raises(mo.InputError, match="independent for ever"):
        mo.repeated_myerson(env)


def test_model_files_saved_mechanisms_and_the_markov_form(tmp_path):
    env = mo.loads(FILE)
    assert env == IndependentForever([[1, 2]], [["1/2", "1/2"]], "9/10")
    assert mo.loads(env.to_toml()) == env
    best = mo.optimum(env, ir="interim")
    best.mechanism.save(tmp_path / "m.npz")
    assert mo.load_mechanism(tmp_path / "m.npz", env).revenue == best.mechanism.revenue
    for wrong, match in (
        (FILE.replace('"9/10"', "1"), "below 1"),
        (FILE.replace('"infinite"', '"infinit"'), "horizon: 'infinit' is not"),
        (FILE.replace("[[buyers]]", "cost = [1]\n[[buyers]]"), "cost: is a list"),
        (FILE + "seller_values = [0, 1]", "seller_values: is for a finite horizon"),
    ):
        with pytest.raises(mo.InputError, match=match):
            mo.loads(wrong)
    short = IndependentForever([[1, 2]], [["1/2", "1/2"]], "1/2")
    markov = short.to_markov()
    assert markov.first_best == pytest.approx(short.first_best)
    other = mo.mechanisms.infinite_optimum(markov, 1e-4, ir="epir")
    fresh = mo.optimum(short)
    assert other.bound.lower <= fresh.bound.upper
    assert fresh.bound.lower <= other.bound.upper
