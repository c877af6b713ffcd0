"""Bundled models with independent types solve to what they expect, which is proved in exact fractions."""

import json
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mechopt as mo
from mechopt.cli.app import application
from mechopt.core.numbers import to_exact
from mechopt.mechanism.constraint_names import asked_constraints
from mechopt.modelfile import read
from tests.papers.proof import proved_optimum

MODELS = Path(__file__).parents[2] / "models"
FILES = {
    path.relative_to(MODELS).with_suffix("").as_posix(): path
    for path in sorted(MODELS.rglob("*.toml"))
    if tomllib.loads(path.read_text(encoding="utf-8"))["kind"] == "independent"
}


# Two values 1 and 2, equally likely, T periods: the promised-utility recursion of test_promised_utility.py; interim:
# 1 + 3/2 (T - 1), the first price and the means of the rest. Equal revenue, K_1 and K_2 values: E v_1 = K_1 + 1, the
# second period earns 2 whatever its price and lets up to E v_2 - 2 = K_2 - 1 be charged in advance, so that with
# lifetime utilities w_k of the first period's types the optimum is 2 + max E[v x] - E[max(w - (K_2 - 1), 0)], where
# w_1 = 0 and w_(k+1) - w_k = (v_(k+1) - v_k) x_k; interim: 2 + K_2 + 1. For instance K_1 = K_2 = 2: w_2 = 2 x_1, and
# x_1 + 2 - max(2 x_1 - 1, 0) / 2 is largest, 5/2, for every x_1 from 1/2 to 1. Auctions: expected positive part of the
# largest virtual value 2k - K, the largest of n values being k with probability (k^n - (k-1)^n) / K^n.
VALUES = {
    "mirrokni-2020/two-values-one-period": "1",
    "mirrokni-2020/two-values-two-periods": "9/4",
    "mirrokni-2020/two-values-three-periods": "7/2",
    "mirrokni-2020/two-values-four-periods": "153/32",
    "mirrokni-2020/two-values-five-periods": "779/128",
    "mirrokni-2020/two-values-six-periods": "947/128",
    "mirrokni-2020/two-values-eight-periods": "20587/2048",
    "mirrokni-2020/two-values-three-periods-interim": "4",
    "mirrokni-2020/two-values-eight-periods-interim": "23/2",
    "mirrokni-2020/five-values-four-periods": "5104691/600000",
    "mirrokni-2020/equal-revenue-2-2": "9/2",
    "mirrokni-2020/equal-revenue-2-3": "5",
    "mirrokni-2020/equal-revenue-3-3": "5",
    "mirrokni-2020/equal-revenue-3-7": "6",
    "mirrokni-2020/equal-revenue-2-2-interim": "5",
    "mirrokni-2020/equal-revenue-2-3-interim": "6",
    "mirrokni-2020/equal-revenue-3-3-interim": "6",
    "mirrokni-2020/equal-revenue-3-7-interim": "10",
    "myerson-1981/two-bidders-five-values": "71/25",
    "myerson-1981/two-bidders-ten-values": "49/10",
    "myerson-1981/three-bidders-six-values": "4",
}


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_bundled_model_solves_to_what_it_expects(path):
    result = CliRunner().invoke(application(), ["solve", str(path), "--check", "--json"])
    assert result.exit_code == 0, result.output
    assert "as expected: value" in result.stderr
    assert "not checked" not in result.stderr
    document = json.loads(result.stdout)
    assert document["status"] == "optimal"
    assert document["bound"]["upper"] - document["bound"]["lower"] <= 1e-9 * document["value"]
    assert document["verified"]
    assert all(check["holds"] for check in document["verified"].values())


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_bundled_model_says_what_it_shows_and_where_it_comes_from(path):
    file = read(path)
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert file.title
    assert file.source
    assert "value" in file.expected


def test_a_wrong_expectation_is_reported(tmp_path):
    text = FILES["mirrokni-2020/two-values-three-periods"].read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace('value = "7/2"', 'value = "3.50000001"'), encoding="utf-8")
    result = CliRunner().invoke(application(), ["solve", str(wrong), "--check"])
    assert result.exit_code == 1
    assert "NOT as expected: value: expected 3.50000001, found 3.5" in result.stderr


@pytest.mark.parametrize("name", VALUES)
def test_expected_value_is_the_exact_optimum(name):
    file = read(FILES[name])
    assert to_exact(file.expected["value"]) == Fraction(VALUES[name])
    ic, ir = (
        [constraint.name for constraint in constraints]
        for constraints in asked_constraints(file.ic, file.ir, "independent")
    )
    assert proved_optimum(file.environment, ic, ir) == Fraction(VALUES[name])


def equal_revenue(count):
    """2, 4, ..., 2^count, each price of which is paid with probability 2 / price."""
    halves = [Fraction(1, 2**i) for i in range(1, count + 1)]
    return [2**i for i in range(1, count + 1)], [*halves[:-1], 2 * halves[-1]]


@pytest.mark.parametrize("first", [2, 3])
def test_equal_revenue_bound_is_met_exactly_from_two_to_the_n_less_one_values_on(first):
    # The bound is E v_1 + 2 = first + 3. Selling the first item to all types at no price promises the highest one
    # 2^first - 2 in utility, and at most second - 1 of it can be charged in advance.
    for second in range(2, 2**first + 1):
        values, probabilities = zip(equal_revenue(first), equal_revenue(second), strict=True)
        best = mo.optimum(mo.IndependentTypes([values], [probabilities]))
        gap = first + 3 - best.value
        assert abs(gap) <= 1e-9 if second >= 2**first - 1 else gap > 0.1
