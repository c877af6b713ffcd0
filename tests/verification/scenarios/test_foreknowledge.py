"""Whether mechanisms of scenarios know the future: made by hand, by plain loops from the definition, of maximin."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.closedform.bank.conversions import quasi_non_clairvoyant
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance
from mechopt.verification.rounding import Precision
from mechopt.verification.scenarios import foreknowledge
from mechopt.verification.scenarios.check import verify_scenarios
from mechopt.verification.scenarios.foreknowledge import check_foreknowledge, nodes
from tests.solve.test_maximin import TREES, any_distributions, scenario_trees

COIN = {"name": "F1", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
TAIL = {"name": "F2", "values": [2, 4, 8, 16], "probabilities": ["1/2", "1/4", "1/8", "1/8"]}
TWO = mo.Scenarios([COIN, TAIL], [["F1"], ["F1", "F2"]])
SMALL = [t for t in TREES if t != "one, two or three"]


def largest_difference(scenarios, mechanisms, told_the_last=False):
    """From the definition: every pair of scenarios, common prefix, path of reports; allocation and scaled payment."""
    found = Fraction(0)
    for (a, first), (b, second) in combinations(zip(scenarios.sequences, mechanisms, strict=True), 2):
        common = next((t for t, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        for t in range(common):
            if told_the_last and (t + 1 == len(a)) != (t + 1 == len(b)):
                continue
            sharing = [s for s in scenarios.sequences if s[: t + 1] == a[: t + 1]]
            if told_the_last:
                sharing = [s for s in sharing if (t + 1 == len(s)) == (t + 1 == len(a))]
            worth = []
            for sequence in sharing:
                tops = [max(scenarios.distributions[name].exact[0]) for name in sequence]
                worth.append(sum(scenarios.discount**r * top for r, top in enumerate(tops)))
            scale = min((w for w in worth if w > 0), default=Fraction(1))
            sizes = [len(scenarios.distributions[name].values) for name in a[: t + 1]]
            for path in product(*map(range, sizes)):
                node = 0
                for k, size in zip(path[:-1], sizes, strict=False):
                    node = node * size + k
                for part, weight in (("allocation", 1), ("payment", scenarios.discount**t / scale)):
                    x, y = (Fraction(float(getattr(m, part)[t][0, node, path[-1]])) for m in (first, second))
                    found = max(found, abs(x - y) * weight)
    return found


def at_random(scenarios, rng):
    """Mechanisms of few numbers, so that ties are common."""
    made = []
    for env in scenarios.environments:
        shapes = [(1, *mo.formats.HistoryTree(env).children(t)) for t in range(env.horizon)]
        allocation = [rng.integers(0, 3, shape) / 2 for shape in shapes]
        made.append(mo.Mechanism(env, allocation, [rng.integers(-2, 3, shape) / 4.0 for shape in shapes]))
    return made


@settings(max_examples=60, deadline=None)
@given(scenario_trees(any_distributions(), SMALL), st.integers(0, 10**6), st.sampled_from([False, True]))
def test_the_largest_difference_is_that_of_the_definition(scenarios, seed, told):
    mechanisms = at_random(scenarios, np.random.default_rng(seed))
    constraint = mo.results.QuasiNonClairvoyant() if told else mo.NonClairvoyant()
    rule = mo.mechanisms.ScenariosMechanism(scenarios, mechanisms)
    expected = largest_difference(scenarios, mechanisms, told)
    exact = mo.verify(rule, constraint, exact=True)[constraint]
    assert exact.exact == expected
    check = mo.verify(rule, constraint)[constraint]
    assert check.gain == pytest.approx(float(expected), abs=1e-12)
    assert check.holds == exact.holds == (expected <= 1e-9)
    if not check.holds:
        seen = check.counterexample
        first, second = (rule.mechanism(name) for name in seen.scenarios)
        assert (seen.replay(first), seen.replay(second)) == seen.amounts
        sequences = [scenarios.scenarios[name][: seen.period + 1] for name in seen.scenarios]
        assert sequences[0] == sequences[1] == seen.prefix
        assert seen.amounts[0] != seen.amounts[1]


@settings(max_examples=40, deadline=None)
@given(scenario_trees(trees=SMALL))
def test_the_best_rule_passes_and_its_transform_but_for_the_last_period(scenarios):
    rule = mo.maximin(scenarios).rule
    report = mo.verify(rule)
    assert report.holds, report
    assert set(report) == {mo.NonClairvoyant(), mo.DIC(), mo.EPIR()}
    quasi = mo.mechanisms.ScenariosMechanism(scenarios, [quasi_non_clairvoyant(one) for one in rule.mechanisms])
    assert quasi.revenues == pytest.approx(rule.revenues, abs=1e-7 * max(e.money_scale for e in scenarios.environments))
    told = mo.verify(quasi, [mo.results.QuasiNonClairvoyant(), mo.DIC(), mo.PPIR()])
    assert told.holds, told


def test_one_number_at_one_history_is_found_and_shown():
    rule = mo.mechanisms.ScenariosMechanism.of_rule(TWO, non_clairvoyant_balance)
    first, second = rule.mechanisms
    payment = [first.payment[0] + np.array([[[0, 0.25]]])]
    changed = mo.mechanisms.ScenariosMechanism(TWO, [replace(first, payment=payment), second])
    check = mo.verify(changed, mo.NonClairvoyant())["non-clairvoyant"]
    assert check.gain == pytest.approx(0.25 / 4)  # 4: the most that F1 alone is worth
    seen = check.counterexample
    assert (seen.scenarios, seen.prefix, seen.period, seen.history) == (("F1", "F1, F2"), ("F1",), 0, ())
    assert (seen.reports, seen.what) == ((1,), "payment")
    assert "scenarios 'F1' and 'F1, F2' after F1, agent 0, period 0, after history [], reports [1]: payment" in str(
        seen
    )
    assert seen.to_dict()["amounts"] == list(seen.amounts)
    assert mo.verify(changed, mo.results.QuasiNonClairvoyant()).holds  # F1 ends, F1, F2 does not


def test_each_scenario_is_checked_and_the_worst_is_named():
    env = TWO.environments
    free = [mo.Mechanism(e, [x + 1 for x in z], z) for e in env if (z := zeros(e))]
    dear = replace(free[1], payment=[free[1].payment[0], free[1].payment[1] + 3.5])
    report = mo.verify(
        mo.mechanisms.ScenariosMechanism(TWO, [free[0], dear], (mo.NonClairvoyant(), mo.DIC(), mo.EPIR()))
    )
    assert report["non-clairvoyant"].holds
    assert report.violated == ("epir",)
    assert report.worst[mo.EPIR()] == "F1, F2"
    assert report.scenarios["F1"].holds
    assert report["epir"].gain == pytest.approx(3.5 - 2 - 1)
    assert "in scenario 'F1, F2'" in repr(report)


def zeros(env):
    return [np.zeros((1, *mo.formats.HistoryTree(env).children(t))) for t in range(env.horizon)]


def test_a_rule_is_asked_for_every_scenario():
    with pytest.raises(mo.InputError, match="there are 2 scenarios"):
        mo.mechanisms.ScenariosMechanism(TWO, [non_clairvoyant_balance(TWO.environments[0]).to_mechanism()])
    same = non_clairvoyant_balance(TWO.environments[0]).to_mechanism()
    with pytest.raises(mo.InputError, match=r"mechanisms\[1\].*not for scenario 'F1, F2'"):
        mo.mechanisms.ScenariosMechanism(TWO, [same, same])
    with pytest.raises(mo.InputError, match="not a mechanism over histories"):
        mo.mechanisms.ScenariosMechanism.of_rule(TWO, lambda env: 3)


def test_one_environment_alone_cannot_be_non_clairvoyant():
    with pytest.raises(mo.InputError, match="non-clairvoyant"):
        mo.verify(non_clairvoyant_balance(TWO.environments[0]).to_mechanism(), mo.NonClairvoyant())


def test_nodes_of_a_fork():
    assert nodes(["ab", "ac", "a"], False) == ((0, (0, 1, 2)),)
    assert nodes(["ab", "ac", "a"], True) == ((0, (0, 1)),)
    assert nodes(["ab", "abc"], True) == ((0, (0, 1)),)
    assert nodes(["a", "b"], False) == ()


def of_two_buyers(last, discount="1/3"):
    """A first period in which the buyers have 1/3 and 2/3 at most, and a last one of these values."""
    values = [[["0", "1/3"], last[0]], [["2/3"], last[1]]]
    chances = [[[f"1/{len(part)}"] * len(part) for part in row] for row in values]
    return mo.IndependentTypes(values, chances, discount=discount)


def paid_once(env, amount, t=0):
    """One payment, at the last history of a period, of the last buyer."""
    shapes = [(env.agents, *mo.formats.HistoryTree(env).children(s)) for s in range(env.horizon)]
    paid = [np.zeros(shape) for shape in shapes]
    paid[t].ravel()[-1] = amount
    return mo.Mechanism(env, [np.zeros(shape) for shape in shapes], paid)


PAIRS = {  # values of the last periods; the least over scenarios of what the best buyer has at most
    "less": (([[1], [2]], [[5], [1]]), Fraction(2, 3) + Fraction(2, 3)),
    "little": (([["1/100"], ["1/200"]], [[5], [1]]), Fraction(2, 3) + Fraction(1, 600)),
    "nothing-in-one": (([[0], [0]], [[5], [1]]), Fraction(2, 3)),
}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_payments_are_compared_with_what_the_best_buyer_has_at_most(name, exact):
    lasts, scale = PAIRS[name]
    env = [of_two_buyers(last) for last in lasts]
    mechanisms = [paid_once(env[0], 0.0), paid_once(env[1], 0.25)]
    check = check_foreknowledge(mo.NonClairvoyant(), mechanisms, ["a", "b"], ["xy", "xz"], exact)
    assert check.gain == pytest.approx(float(Fraction(1, 4) / scale), abs=1e-15)
    assert check.exact == (Fraction(1, 4) / scale if exact else None)
    assert (check.counterexample.agent, check.counterexample.amounts) == (1, (0.0, 0.25))


def test_in_fractions_the_numbers_of_an_environment_in_floats_are_what_they_are():
    env = mo.IndependentTypes.iid([0, 1, 2], np.random.default_rng(1).dirichlet(np.ones(3)), 2, discount="1/3")
    assert env.exact is None
    mechanisms = [paid_once(env, 0.0, 1), paid_once(env, 0.25, 1)]
    check = check_foreknowledge(mo.NonClairvoyant(), mechanisms, ["a", "b"], ["xyz", "xyw"], exact=True)
    assert check.exact == Fraction(1, 4) * Fraction(1 / 3) / (2 + 2 * Fraction(1 / 3))


def nothing_worth():
    return mo.IndependentTypes([[[0]] * 2, [[0]] * 2], [[[1]] * 2] * 2, discount="1/3")


@pytest.mark.parametrize("exact", [False, True])
def test_where_nothing_has_a_value_payments_are_as_they_are_in_present_value(exact):
    mechanisms = [paid_once(nothing_worth(), amount, 1) for amount in (0.0, 0.25)]
    check = check_foreknowledge(mo.NonClairvoyant(), mechanisms, ["a", "b"], ["xyz", "xyw"], exact)
    assert check.gain == pytest.approx(1 / 12, abs=1e-15)
    assert check.exact == (Fraction(1, 12) if exact else None)


def test_little_is_worth_less_than_one():
    """The most is 1/2: payments of 1/4 are half of it."""
    env = mo.IndependentTypes([[["1/4", "1/2"]]], [[["1/2", "1/2"]]])
    mechanisms = [paid_once(env, amount) for amount in (0.0, 0.25)]
    for exact in (False, True):
        check = check_foreknowledge(mo.NonClairvoyant(), mechanisms, ["a", "b"], ["x", "x"], exact)
        assert check.gain == 0.5


def test_rounding_of_a_difference_is_counted():
    """Period 1: nine roundings of 3/4 + 1/4, in present value 1/3."""
    mechanisms = [paid_once(nothing_worth(), amount, 1) for amount in (0.25, 0.75)]
    check = check_foreknowledge(mo.NonClairvoyant(), mechanisms, ["a", "b"], ["xyz", "xyw"])
    assert check.rounding == pytest.approx(2 * 9 * 2.0**-53 / 3, rel=1e-12, abs=0)


class Recorded:
    """Bounds of rounding as they are, and what they are asked for."""

    def __init__(self, asked):
        self.asked = asked

    def of(self, *given):
        self.asked.append(given)
        return Precision.of(*given)


def test_rounding_of_what_underflows_is_that_of_the_largest_amount(monkeypatch):
    """Both pay 3 at first and 0 later: what may underflow there is nine of the smallest numbers, times 1 + 3."""
    one = paid_once(nothing_worth(), 3.0)
    check = check_foreknowledge(mo.NonClairvoyant(), [one, one], ["a", "b"], ["x", "x"])
    assert check.rounding >= 2 * 8 * 2.0**-53 * 6
    asked = []
    monkeypatch.setattr(foreknowledge, "Precision", Recorded(asked))
    twice = [paid_once(nothing_worth(), amount) for amount in (3.0, -5.0)]
    check_foreknowledge(mo.NonClairvoyant(), twice, ["a", "b"], ["x", "x"])
    assert max(asked) == (8, 5.0) and (8, 3.0) not in asked
    monkeypatch.undo()
    tiny = paid_once(nothing_worth(), 0.0)
    check = check_foreknowledge(mo.NonClairvoyant(), [tiny, tiny], ["a", "b"], ["x", "x"])
    assert check.rounding == 0.0


def test_a_history_of_several_buyers_is_shown_as_lists():
    env = of_two_buyers([[1], [2]])
    mechanisms = [paid_once(env, amount, 1) for amount in (0.0, 0.25)]
    check = check_foreknowledge(mo.NonClairvoyant(), mechanisms, ["a", "b"], ["xyz", "xyw"])
    assert "agent 1, period 1, after history [[1, 0]], reports [0, 0]: payment 0 and 0.25" in str(check.counterexample)
    alone = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    check = check_foreknowledge(
        mo.NonClairvoyant(), [paid_once(alone, amount, 1) for amount in (0.0, 0.25)], ["a", "b"], ["xyz", "xyw"]
    )
    assert "after history [1], reports [1]: payment 0 and 0.25" in str(check.counterexample)


def priced(env, more):
    """Everybody gets the item at a price."""
    shapes = [(1, *mo.formats.HistoryTree(env).children(t)) for t in range(env.horizon)]
    return mo.Mechanism(env, [np.ones(shape) for shape in shapes], [np.full(shape, more) for shape in shapes])


def test_scenarios_are_checked_in_floats_unless_asked():
    mechanism = mo.mechanisms.ScenariosMechanism(TWO, [priced(env, 3.0) for env in TWO.environments])
    for constraint in (mo.NonClairvoyant(), mo.Interim()):
        assert verify_scenarios(mechanism, constraint)[constraint].exact is None
        assert verify_scenarios(mechanism, constraint, True)[constraint].exact is not None


@pytest.mark.parametrize(("prices", "worst"), [((3.0, 4.5), "F1, F2"), ((4.0, 2.0), "F1"), ((0.0, 0.0), "F1")])
def test_the_worst_scenario_is_that_of_the_largest_gain_and_the_first_of_equals(prices, worst):
    mechanisms = [priced(env, price) for env, price in zip(TWO.environments, prices, strict=True)]
    report = mo.verify(mo.mechanisms.ScenariosMechanism(TWO, mechanisms), [mo.NonClairvoyant(), mo.Interim(), mo.DIC()])
    assert report.worst == {mo.Interim(): worst, mo.DIC(): "F1"}
    told = repr(report)
    assert "dic: satisfied, gain 0)" in told
    violated = report["interim"].status == "violated"
    assert (f"interim: violated in scenario {worst!r}, gain" in told) == violated
    assert ("the utility of type 0 is" in told) == violated
    assert ("non-clairvoyant: violated, gain" in told) == (prices[0] != prices[1])
    assert report["interim"].exact is None and report["non-clairvoyant"].exact is None
