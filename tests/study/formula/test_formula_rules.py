"""Rules by state: played forward in fractions they earn the value, and no misreport gains, with no code of ours."""

from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.study.formula.rules import rule_rows
from tests.parametric_models import CASES, Case, battaglini, independent

ONE_BUYER = {
    "epir": (Case(independent(3)), Fraction(9, 20)),
    "second piece": (Case(independent(4)), Fraction(11, 20)),
    "three values": (CASES["zero-value"], Fraction(1, 3)),
    "discount": (CASES["discount-124"], Fraction(9, 10)),
    "rebate": (CASES["per-period"], Fraction(9, 20)),
    "payments": (CASES["ppic-indu"], Fraction(2, 5)),
    "persistent": (Case(battaglini(3), ir="epir"), Fraction(2, 3)),
    "persistent interim": (Case(battaglini(3)), Fraction(4, 5)),
}


def played(case: Case, point: Fraction):
    """Type names, laws and rules in fractions: what a reader has who plays the mechanism by hand."""
    formula = mo.formula(case.text, case.ic or "file", case.ir or "file", case.objective, prove=False)
    env, states = formula.model.at(point), {state.number: state for state in formula.rules(point)}
    exact = env.exact
    if isinstance(env, mo.IndependentTypes):
        names = [[str(v) for v in values] for values in formula.model.exact.values[0]]
        names = [[str(f) for f in formula.model.exact.values[0][t]] for t in range(env.horizon)]
        values, horizon = exact.values[0], env.horizon

        def distribution(t: int, k: int) -> list[Fraction]:
            return list(exact.probabilities[0][t])
    else:
        names = [list(row) for row in env.types[0]]
        values, horizon = [table[1] for table in exact.values[0]], env.horizon

        def distribution(t: int, k: int) -> list[Fraction]:
            return list(exact.initial[0]) if t == 0 else list(exact.kernel[0][t - 1][0][k])

    return formula, states, names, values, distribution, horizon, exact.discount


@pytest.mark.parametrize("name", ONE_BUYER)
def test_rules_earn_the_value_and_no_misreport_gains(name: str) -> None:
    case, point = ONE_BUYER[name]
    formula, states, names, values, distribution, horizon, discount = played(case, point)

    def step(state: int, t: int, report: int) -> tuple[Fraction, Fraction, int]:
        entry = next(e for e in states[state].entries if e.reports == names[t][report])
        sold = sum((f(point) for words, f in entry.outcome if words == "sell"), start=Fraction(0))
        assert 0 <= sold <= 1
        ((_, after),) = entry.then
        return sold, entry.pays[0](point), after

    def revenue(state: int, t: int, k: int) -> Fraction:
        if t == horizon:
            return Fraction(0)
        total = Fraction(0)
        for j, chance in enumerate(distribution(t, k)):
            if chance:
                _, pays, after = step(state, t, j)
                total += chance * (discount**t * pays + revenue(after, t + 1, j))
        return total

    def truthful(state: int, t: int, k: int) -> Fraction:
        """Utility of type k in period t who reports the truth from now on."""
        return reported(state, t, k, k)

    def reported(state: int, t: int, k: int, report: int) -> Fraction:
        sold, pays, after = step(state, t, report)
        total = discount**t * (values[t][k] * sold - pays)
        if t + 1 < horizon:
            for j, chance in enumerate(distribution(t + 1, k)):
                total += chance * truthful(after, t + 1, j) if chance else 0
        return total

    assert revenue(1, 0, 0) == formula.value(point)
    reached = {(state.number, state.period) for state in states.values()}
    for state, t in reached:
        for k in range(len(names[t])):
            for report in range(len(names[t])):
                if any(e.reports == names[t][report] for e in states[state].entries) and any(
                    e.reports == names[t][k] for e in states[state].entries
                ):
                    assert truthful(state, t, k) >= reported(state, t, k, report), (state, k, report)

    def least(state: int, t: int, k: int) -> Fraction:
        """The lowest utility on any path."""
        if t == horizon:
            return Fraction(0)
        paths = []
        for j, chance in enumerate(distribution(t, k)):
            if chance:
                sold, pays, after = step(state, t, j)
                paths.append(discount**t * (values[t][j] * sold - pays) + least(after, t + 1, j))
        return min(paths)

    if name != "persistent interim":
        assert least(1, 0, 0) >= 0
    for j, chance in enumerate(distribution(0, 0)):
        assert not chance or truthful(1, 0, j) >= 0


def test_states_merge_what_goes_on_alike() -> None:
    formula = mo.formula(independent(3), prove=False)
    assert [len(formula.rules(p)) for p in ("1/5", "9/20", "9/10")] == [3, 5, 3]
    rows = rule_rows(formula.rules("9/10"), "p")
    assert rows[0] == ["A", "t=0", "1", "keep", "0", "B"] and rows[-1] == ["", "", "2", "sell", "2", "end"]
    both = mo.formula(independent(2, count=2), prove=False).rules("2/5")
    assert len(both[0].entries) == 4 and all(len(entry.pays) == 2 for entry in both[0].entries)


def test_rules_where_actions_are_recorded() -> None:
    case = CASES["learning"]
    formula = mo.formula(case.text, prove=False)
    start, *_ = formula.rules("1/2")
    assert {by for entry in start.entries for by, _ in entry.then} <= {"none", "sell"}
    for state in formula.rules("1/2"):
        for entry in state.entries:
            assert sum(f(Fraction(1, 2)) for _, f in entry.outcome) == 1


def test_types_of_interdependent_models_have_the_names_of_their_agent() -> None:
    formula = mo.formula(
        """
kind = "interdependent"
horizon = 1
actions = ["keep", "a", "b"]
initial = [["1/2 - r", "r", "1/4"], ["r", "1/8", "1/8 - r"]]
[parameters]
r = ["0", "1/8"]
[[agents]]
name = "a"
types = ["low", "high"]
values = [[[0, 0, 0], [0, 0, 0]], [[1, 1, 1], [2, 2, 3]], [[0, 0, 0], [0, 0, 0]]]
[[agents]]
name = "b"
types = ["x", "y", "z"]
values = [[[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]], [[1, 2, 4], [1, 2, 4]]]
"""
    )
    assert formula.proved
    (state,) = formula.rules("1/20")
    assert [entry.reports for entry in state.entries] == [f"{a}, {b}" for a in ("low", "high") for b in "xyz"]


def test_where_a_mechanism_has_a_pole_it_is_refused() -> None:
    case = CASES["interdependent"]
    formula = mo.formula(case.text, case.ic, case.ir)
    assert formula.value("1/4") == Fraction(25, 16)  # what the certificate of the point proves
    for asked in (formula.mechanism, formula.rules):
        with pytest.raises(InputError, match="r = 1/4, where a basis ends"):
            asked("1/4")
    assert formula.mechanism("1/5").revenue == pytest.approx(float(formula.value("1/5")))
