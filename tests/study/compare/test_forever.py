"""Types independent across periods, for ever: static mechanisms against one period's numbers, and the optimum."""

import json
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo

BUILDERS = {
    "repeated-myerson": mo.repeated_myerson,
    "repeated-second-price": mo.repeated_second_price,
    "give-for-free": mo.give_for_free,
}


def drawn(seed):
    """A model file and one period of it; probabilities of 0 and single types among them."""
    rng = np.random.default_rng([11, seed])
    values = [sorted(rng.choice(9, int(rng.integers(1, 4)), replace=False).tolist()) for _ in range(rng.integers(1, 4))]
    weights = [rng.integers(0, 4, len(row)) + (np.arange(len(row)) == 0) for row in values]
    chances = [[f"{w}/{row.sum()}" for w in row] for row in weights]
    discount, cost = ["1/2", "9/10", "1/10"][seed % 3], int(rng.integers(0, 3))
    text = f'kind = "independent"\nhorizon = "infinite"\ndiscount = "{discount}"\ncost = {cost}\n'
    for row, own in zip(values, chances, strict=True):
        text += f"[[buyers]]\nvalues = {row}\nprobabilities = {json.dumps(own)}\n"
    once = mo.IndependentTypes([[row] for row in values], [[own] for own in chances], cost=cost)
    return text, once, 1 - float(Fraction(discount))


@pytest.mark.parametrize("seed", range(8))
def test_static_mechanisms_earn_one_period_for_ever_and_are_verified(seed):
    text, once, rate = drawn(seed)
    table = mo.compare(mo.loads(text), list(BUILDERS))
    for name, builder in BUILDERS.items():
        found, period = table[name], builder(once)
        assert found.revenue == pytest.approx(period.revenue / rate, abs=1e-9)
        assert found.welfare == pytest.approx(period.welfare / rate, abs=1e-9)
        assert found.report.holds and {"dic", "epir", "per-period"} <= {c.name for c in found.report}


def test_the_whole_table_of_one_buyer(tmp_path):
    env = mo.loads(
        'kind = "independent"\nhorizon = "infinite"\ndiscount = "1/2"\n'
        '[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'
    )
    table = mo.compare(env)
    assert [entry.name for entry in table.entries] == [*BUILDERS, "efficient-welfare", "clairvoyant-optimum"]
    assert table["repeated-myerson"].revenue == pytest.approx(2)
    assert table["efficient-welfare"].revenue == 3
    assert table["clairvoyant-optimum"].report.holds
    assert table.optimum.bound.lower <= table["clairvoyant-optimum"].revenue <= table.optimum.bound.upper
    assert mo.compare(env, ir="interim").optimum.value == pytest.approx(2.5)  # 1 at first, then 3 for ever, paid ahead
    assert "buyers" in table.to_html(tmp_path / "page.html")
    lines = table.to_latex().splitlines()
    bound = next(k for k, line in enumerate(lines) if line.startswith("efficient-welfare"))
    assert lines[bound - 1 : bound + 2 : 2] == [r"\midrule", r"\bottomrule"]
    assert lines[bound].split(" & ")[1:3] == ["3", ""]
    assert "a bound, and no mechanism" in table.to_markdown().splitlines()[-1]


def test_a_mechanism_by_name_for_ever(tmp_path, mechopt):
    path = tmp_path / "ever.toml"
    path.write_text(drawn(1)[0])
    status, out, _ = mechopt("show", path, "repeated-second-price")
    assert status == 0 and "history-independent" in out
    status, _, err = mechopt("compare", path, "--mechanisms", "two-period")
    assert status == 2 and "two-period: is not a mechanism for kind 'independent for ever'" in err


def test_what_is_no_mechanism_is_named():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    with pytest.raises(mo.InputError, match=r"mechanisms\['mine'\]: is function, not a mechanism"):
        mo.compare(env, {"mine": mo.repeated_myerson})
