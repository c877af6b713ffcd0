"""Model files: what they mean, and every fault with file, key path, value and fix, and exit status 2."""

from fractions import Fraction

import pytest

import mechopt as mo
from mechopt import cli, modelfile
from tests.modelfile.independent_files import (
    BUYER,
    BY_PERIOD,
    GOOD,
    ONE_PERIOD,
    fault,
    table,
    with_distributions,
    with_horizon,
    with_key,
    with_values,
)


@pytest.fixture
def mechopt(capsys, monkeypatch):
    """Run the command line in this process: exit status, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["mechopt", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stopped:
            status = stopped.code or 0
        return status, *capsys.readouterr()

    return run


DISTRIBUTIONS = {
    "too-few-probabilities": (
        with_distributions("[1]"),
        "probabilities",
        "has 1 entries for 2 values; give one a value",
    ),
    "sum-0.97": (
        with_distributions("[0.5, 0.47]"),
        "probabilities",
        'sums to 0.97, not 1; write exact fractions such as "1/3"',
    ),
    "sum-off-by-rounding": (
        with_distributions("[0.5, 0.50000000000001]"),
        "probabilities",
        "not 1; write exact fractions",
    ),
    "negative-probability": (
        with_distributions("[1.5, -0.5]"),
        "probabilities[1]",
        "is -0.5; probabilities must be at least 0",
    ),
    "nan-probability": (with_distributions("[nan, 1]"), "probabilities[0]", "nan is not a finite number"),
    "text-for-probabilities": (with_distributions('"1/2"'), "probabilities", "'1/2' is not a list"),
    "no-values": (with_values("[]").replace('["1/2", "1/2"]', "[]"), "values", "is empty; give at least one type"),
    "duplicate-value": (with_values("[2, 2]"), "values[1]", "2 repeats 2 before it; list each value once"),
    "decreasing-values": (with_values("[2, 1]"), "values[1]", "1 is below 2 before it; list each value once"),
    "negative-value": (with_values("[-1, 1]"), "values[0]", "is -1; values must be at least 0"),
    "nan": (with_values("[nan, 2]"), "values[0]", "nan is not a finite number"),
    "inf": (with_values("[1, inf]"), "values[1]", "inf is not a finite number"),
    "nan-for-list": (with_values("nan"), "values", "nan is not a finite number"),
    "1e400": (with_values("[1, 1e400]"), "values[1]", "1e400 is out of range: exponents go from -60 to 60"),
    "hundreds-of-digits": (with_values(f"[1, {'9' * 400}]"), "values[1]", "has more than"),
    "division-by-zero": (with_values('["1/0", 2]'), "values[0]", "1/0 divides by zero"),
    "formula-sum": (with_values('["1+1", 3]'), "values[0]", "'1+1' is not a number; write 3, 0.25"),
    "formula-power": (with_values('["2**9", 3]'), "values[0]", "'2**9' is not a number; write 3, 0.25"),
    "formula-call": (with_values('["__import__(1)", 3]'), "values[0]", "'__import__(1)' is not a number; write 3"),
    "truth-value": (with_values("[true, 3]"), "values[0]", "true is not a number"),
    "date": (with_values("[2020-01-01, 3]"), "values[0]", "2020-01-01 is not a number"),
    "nested-list": (with_values("[[1, 0.5], 3]"), "values[0]", "[1, 0.5] is not a number"),
    "number-for-list": (with_values("5"), "values", "5 is not a list"),
}


@pytest.mark.parametrize(("text", "key", "words"), table(DISTRIBUTIONS))
def test_faulty_distribution(text, key, words):
    found = fault(text)
    assert found.where == f"buyers[0].{key}"
    assert words in str(found)


@pytest.mark.parametrize(("text", "key", "words"), table(DISTRIBUTIONS))
def test_faulty_distribution_of_one_period(text, key, words):
    distribution = text.split("[[buyers]]")[1]
    found = fault(BY_PERIOD.replace("\nvalues = [3]\nprobabilities = [1]\n", distribution))
    assert found.where == f"buyers[0].periods[1].{key}"
    assert words in str(found)


UNKNOWN = {
    "near": (with_key("horizons = 3"), "horizons", "did you mean 'horizon'?"),
    "far-off": (with_key("colour = 3"), "colour", "known keys: title, source, kind, horizon"),
    "with-brackets": (with_key('"a(b)" = 3'), "a(b)", "known keys: title, source, kind, horizon"),
    "in-buyer": (GOOD + "probabilites = [1]", "buyers[0].probabilites", "did you mean 'probabilities'?"),
    "in-second-buyer": (GOOD + BUYER + "counts = 2", "buyers[1].counts", "did you mean 'count'?"),
    "in-period": (BY_PERIOD + "value = [2]", "buyers[0].periods[1].value", "did you mean 'values'?"),
    "in-solve": (GOOD + '[solve]\nobjectiv = "welfare"', "solve.objectiv", "did you mean 'objective'?"),
}


@pytest.mark.parametrize(("text", "where", "words"), table(UNKNOWN))
def test_unknown_key_names_the_nearest(text, where, words):
    assert f"{where}: unknown key; {words}" in str(fault(text))


MISSING = {
    "kind": (GOOD.replace('kind = "independent"', ""), "kind: is missing; known: 'independent'"),
    "horizon": (GOOD.replace("horizon = 2", ""), "horizon: is missing; add it"),
    "buyers": ('kind = "independent"\nhorizon = 1\n', "buyers: is missing; add it"),
    "values": (GOOD.replace("values = [1, 2]", ""), "buyers[0].values: is missing; give values and probabilities"),
    "probabilities": (GOOD.split("prob")[0], "buyers[0].probabilities: is missing; give values and probabilities"),
    "of-a-period": (BY_PERIOD.replace("values = [3]", ""), "buyers[0].periods[1].values: is missing; add it"),
}


@pytest.mark.parametrize(("text", "words"), table(MISSING))
def test_missing_key(text, words):
    assert words in str(fault(text))


KINDS = {
    "misspelt": ('"independant"', "'independant' is not a kind of environment; did you mean 'independent'?"),
    "unknown": ('"queue"', "'queue' is not a kind of environment; known: 'independent'"),
    "hundreds-of-letters": (f'"{"x" * 500}"', "... is not a kind of environment; known: 'independent'"),
}


@pytest.mark.parametrize(("kind", "words"), table(KINDS))
def test_wrong_kind(kind, words):
    assert words in str(fault(GOOD.replace('"independent"', kind)))


HORIZONS = {
    "zero": ("0", "is 0; there must be at least one period"),
    "negative": ("-1", "is -1; there must be at least one period"),
    "above-the-cap": ("10001", "is 10001; at most 10000 periods"),
    "astronomical": ("1" + "0" * 30, "at most 10000 periods"),
    "text": ('"3"', "'3' is not a whole number; write one such as 3"),
    "one-and-a-half": ("1.5", "1.5 is not a whole number; write one such as 3"),
    "truth-value": ("true", "true is not a whole number"),
    "nan": ("nan", "nan is not a finite number"),
}


@pytest.mark.parametrize(("horizon", "words"), table(HORIZONS))
def test_horizon_is_a_whole_number_of_periods(horizon, words):
    found = fault(with_horizon(horizon))
    assert found.where == "horizon"
    assert words in str(found)


TWO_TABLES = "buyers[0].periods: has 2 tables, horizon is 3; give one table a period"
OTHERS = {
    "cost-of-wrong-length": (with_key("cost = [1]"), "cost: has 1 entries for 2 periods; give one number, or one a"),
    "cost-as-text": (with_key('cost = "free"'), "cost: 'free' is not a number; write 3, 0.25"),
    "cost-of-a-period-as-text": (with_key('cost = [0, "free"]'), "cost[1]: 'free' is not a number; write 3, 0.25"),
    "cost-nan": (with_key("cost = nan"), "cost: nan is not a finite number"),
    "discount-0": (with_key("discount = 0"), "discount: is 0; it must be above 0 and at most 1"),
    "discount-1.5": (with_key("discount = 1.5"), "discount: is 1.5; it must be above 0 and at most 1"),
    "discount-10/9": (with_key('discount = "10/9"'), "discount: is 10/9; it must be above 0 and at most 1"),
    "discount-by-period": (with_key("discount = [1, 1]"), "discount: [1, 1] is not a number"),
    "discount-as-list": (with_key("discount = [1]"), 'discount: [1] is not a number; write 3, 0.25 or "1/3"'),
    "supply-1.5": (with_key("supply = 1.5"), "supply: is 1.5; write a whole number of units such as 2"),
    "supply-true": (with_key("supply = true"), "supply: is true; write a whole number of units such as 2"),
    "count-0": (GOOD + "count = 0", "buyers[0].count: 0 is below 1; give 1 or more"),
    "count-1.5": (GOOD + "count = 1.5", "buyers[0].count: 1.5 is not a whole number"),
    "count-in-all": (GOOD + "count = 600\n" + BUYER + "count = 600", "buyers: are more than 1000; use fewer"),
    "no-buyers": ('kind = "independent"\nhorizon = 1\nbuyers = []', "buyers: is empty; give at least one"),
    "number-for-buyer": ('kind = "independent"\nhorizon = 1\nbuyers = [5]', "buyers[0]: 5 is not a table"),
    "one-bracket-for-two": (GOOD.replace("[[buyers]]", "[buyers]"), "buyers: is one table; write [[buyers]]"),
    "number-for-title": (with_key("title = 5"), "title: 5 is not a text"),
    "number-for-expected": (with_key("expected = 5"), "expected: 5 is not a table"),
    "values-and-periods": (
        GOOD + 2 * ONE_PERIOD,
        "buyers[0]: has both periods and values or probabilities; give one or",
    ),
    "tables-for-another-horizon": (BY_PERIOD.replace("horizon = 2", "horizon = 3"), TWO_TABLES),
    "unequal-buyers": (BY_PERIOD + "[[buyers]]\n" + ONE_PERIOD, "buyers[1].periods: has 1 tables, horizon is 2"),
    "solve-ic": (GOOD + '[solve]\nic = "dicc"', "solve.ic: 'dicc' is not a constraint; did you mean 'dic'?"),
    "solve-ic-for-ir": (GOOD + '[solve]\nir = "dic"', "solve.ir: ir=dic: this is an ic constraint"),
    "solve-objective": (GOOD + '[solve]\nobjective = "profit"', "solve.objective: objective 'profit': cannot read"),
}


@pytest.mark.parametrize(("text", "words"), table(OTHERS))
def test_other_faults(text, words):
    assert words in str(fault(text))


MANY = """
colour = "red"
kind = "independent"
horizon = 0
discount = 1.5
cost = [0, "x"]
[[buyers]]
values = [2, 1]
probabilities = [0.5, 0.47]
[[buyers]]
values = [1, nan]
probabilities = [2, -1]
tally = 3
[[buyers]]
[[buyers.periods]]
values = ["one"]
probabilities = ["1/2"]
[solve]
ic = "dicc"
[expected]
value = 1
"""


def test_all_faults_come_at_once(mechopt, tmp_path):
    path = tmp_path / "many.toml"
    path.write_text(MANY)
    status, out, err = mechopt("solve", path)
    assert (status, out) == (2, "")
    lines = [line.removeprefix("mechopt: ") for line in err.splitlines()]
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert sorted(line.removeprefix(f"{path}: ").split(": ")[0] for line in lines) == [
        "buyers[0].probabilities",
        "buyers[0].values[1]",
        "buyers[1].probabilities[1]",
        "buyers[1].tally",
        "buyers[1].values[1]",
        "buyers[2].periods[0].probabilities",
        "buyers[2].periods[0].values[0]",
        "colour",
        "cost[1]",
        "discount",
        "horizon",
        "solve.ic",
    ]


def test_faults_between_keys_come_with_the_others():
    text = BY_PERIOD.replace("horizon = 2", "horizon = 3\ncost = [1]\ncolour = 5")
    with pytest.raises(mo.InputError) as error:
        mo.loads(text)
    assert {fault.where for fault in error.value.faults} == {"buyers[0].periods", "cost", "colour"}


def test_horizon_may_be_written_with_a_decimal_point():
    assert mo.loads(with_horizon("2.0")) == mo.loads(GOOD)


def test_numbers_are_exact():
    env = mo.loads(
        'kind = "independent"\nhorizon = 2\ndiscount = "9/10"\ncost = [0.1, "1/7"]\n'
        '[[buyers]]\nvalues = ["1/3", 0.7, 1e2, " 500/4 "]\nprobabilities = [0.1, "1/5", 0.3, "4/10"]\n'
    )
    assert env.exact.values[0][1] == (Fraction(1, 3), Fraction(7, 10), Fraction(100), Fraction(125))
    assert env.exact.probabilities[0][0] == (Fraction(1, 10), Fraction(1, 5), Fraction(3, 10), Fraction(2, 5))
    assert env.exact.cost == (Fraction(1, 10), Fraction(1, 7))
    assert env.exact.discount == Fraction(9, 10)


def test_numbers_may_have_60_digits_and_exponents_of_60():
    digits = "1234567890" * 5
    env = mo.loads(with_values(f'["1e-60", 0.{digits}, {digits}123, "9e60"]').replace('["1/2"', '["1/4", "1/8", "1/8"'))
    decimal = Fraction(int(digits), 10**50)
    assert env.exact.values[0][0] == (Fraction(1, 10**60), decimal, Fraction(int(f"{digits}123")), Fraction(9 * 10**60))


def test_cost_is_one_number_or_one_a_period():
    assert mo.loads(with_key('cost = "1/2"')) == mo.loads(with_key('cost = [0.5, "2/4"]'))
    assert mo.loads(GOOD) == mo.loads(with_key("cost = 0\ndiscount = 1"))


def test_count_repeats_a_buyer():
    env = mo.loads(BY_PERIOD + "[[buyers]]\ncount = 3\nvalues = [5]\nprobabilities = [1]\n")
    assert env.agents == 4
    assert env.shape == ((2, 1, 1, 1), (1, 1, 1, 1))
    assert env.exact.values[1:] == (((5,), (5,)),) * 3


def test_two_buyers_of_different_kinds():
    env = mo.loads(BY_PERIOD + BUYER)
    assert env == mo.IndependentTypes(
        values=[[[1, 2], [3]], [[1, 2], [1, 2]]],
        probabilities=[[["1/2", "1/2"], [1]], [["1/2", "1/2"]] * 2],
    )


def test_expected_takes_nested_tables_and_dotted_keys(tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(GOOD + '[expected]\nvalue = "9/4"\nbound.lower = 2.25\n[expected.verified.dic]\nholds = true\n')
    read = modelfile.read(path)
    assert read.expected == {"value": "9/4", "bound.lower": Fraction(9, 4), "verified.dic.holds": True}


@pytest.mark.parametrize("value", ["nan", "2020-01-01", "[1, 2]"], ids=["nan", "date", "list"])
def test_expected_result_that_nothing_can_equal(value):
    assert fault(GOOD + f"[expected.bound]\nlower = {value}\n").where == "expected.bound.lower"


def test_an_empty_list_constrains_no_payments():
    for at in ("subject_to = []\n", ""):
        end = "\n[solve]\nsubject_to = []\n" if not at else ""
        given = f'kind = "independent"\nhorizon = 1\n{at}[[buyers]]\nvalues = [1]\nprobabilities = [1]{end}'
        assert modelfile.parse(given, "here").subject_to == ()
