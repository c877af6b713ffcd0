"""Payments of an explanation in fractions: proved, shown everywhere, and none where none are proved."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.show.explain.exact.fractions import _supplied, paid_in_fractions


def sale(horizon=3, **given):
    return mo.IndependentTypes.iid([1, 2], ["1/3", "2/3"], horizon=horizon, **given)


def subscription(**given):
    stay = [["7/10", "1/5", "1/10"], ["3/20", "7/10", "3/20"], ["1/10", "1/5", "7/10"]]
    return mo.MarkovTypes([[[0, 0, 0], [1, 2, 4]]], [stay], [["1/3"] * 3], horizon=3, **given)


CASES = {
    "one buyer": lambda: sale(),
    "with a cost and a discount": lambda: sale(cost="1/7", discount="9/10"),
    "two buyers": lambda: sale(2, agents=2),
    "persistent": lambda: subscription(),
    "persistent with a cost": lambda: subscription(cost=[0, "1/3"]),
    "powers of the discount": lambda: subscription(discount="9/10"),
    "large denominators": lambda: mo.IndependentTypes.iid(
        [1, 2, 4], ["1/3"] * 3, horizon=3, discount="97/100", cost="1/7"
    ),
}


@pytest.fixture(scope="module", params=CASES)
def found(request):
    return mo.optimum(CASES[request.param](), exact=True).explain()


def test_every_payment_is_a_fraction_beside_its_number(found):
    for state in found.states:
        for rule in state.rules:
            assert all(isinstance(paid, Fraction) for paid in rule.exact)
            assert list(map(float, rule.exact)) == pytest.approx(list(rule.payments), abs=1e-12)


def walked(found):
    """Revenue by walking the states of the table with the exact probabilities of the model."""
    env = found.mechanism.environment
    exact, total = env.exact, Fraction(0)
    states = {state.name: state for state in found.states}
    for path in product(*[range(int(np.prod(row))) for row in env.shape]):
        chance, paid, state, before = Fraction(1), Fraction(0), found.states[0], ()
        for t, profile in enumerate(path):
            types = np.unravel_index(profile, env.shape[t])
            for i, k in enumerate(types):
                if env.kind == "independent":
                    chance *= exact.probabilities[i][t][k]
                elif t == 0:
                    chance *= exact.initial[i][k]
                else:
                    chance *= exact.kernel[i][t - 1][0][before[i]][k]
            before = types
            (rule,) = (rule for rule in state.rules if profile in rule.profiles)
            drawn = [Fraction(chance_).limit_denominator(10**6) for chance_ in rule.chances]
            costs = exact.cost if env.kind == "markov" else [Fraction(0), *[exact.cost[t]] * env.agents]
            cost = sum((x * c for x, c in zip(drawn, costs, strict=True)), Fraction(0))
            paid += exact.discount**t * (sum(rule.exact) - cost)
            state = states[rule.next[0]] if rule.next else None
        total += chance * paid
    return total


def test_walking_the_table_in_fractions_earns_the_proved_optimum(found):
    assert walked(found) == found.exact


def test_text_frame_page_and_latex_show_fractions(found):
    rules = [rule for state in found.states for rule in state.rules]
    long = next((rule for rule in rules if any(paid.denominator > 64 for paid in rule.exact)), rules[-1])
    shown = " / ".join(map(str, long.exact))
    assert (
        long.pays == shown and shown in found.to_html() and shown in found._repr_html_() and shown in found.to_latex()
    )
    frame = found.to_frame()
    assert [type(paid) for paid in frame["exact"]] == [Fraction] * len(frame)
    assert list(map(float, frame["exact"])) == pytest.approx(list(frame["payment"]))


def test_none_without_an_exact_optimum():
    best = mo.optimum(sale())
    assert "exact" not in best.explain().to_frame().columns
    assert all(rule.exact is None for state in best.explain().states for rule in state.rules)


def test_fractions_that_do_not_earn_the_optimum_are_none():
    """A wrong optimum, and payments that a type would misreport to escape, are both refused."""
    best = mo.optimum(sale(), exact=True)
    mechanism = best.explain().mechanism
    assert paid_in_fractions(best, mechanism) is not None
    assert paid_in_fractions(replace(best, exact=best.exact + Fraction(1, 10**9)), mechanism) is None
    moved = tuple(part.copy() for part in mechanism.payment)
    moved[-1][..., 0] += 0.5
    moved[-1][..., 1] -= 0.25  # the same revenue: the low type has a third
    assert paid_in_fractions(best, replace(mechanism, payment=moved)) is None


ASKED = {
    "budget": (lambda: sale(), {"subject_to": "budget:7/3"}),
    "no subsidy": (lambda: subscription(), {"subject_to": "no-subsidy"}),
    "two buyers' budget balance": (lambda: sale(2, agents=2), {"subject_to": "strong-budget-balance"}),
    "misreports may gain": (lambda: sale(), {"subject_to": "epsilon:1/10"}),
    "misreports may gain, persistent": (lambda: subscription(), {"subject_to": "epsilon:1/10"}),
    "welfare": (lambda: sale(cost="3/2"), {"objective": "welfare"}),
    "revenue and some welfare": (lambda: subscription(cost=[0, "1/3"]), {"objective": "revenue+1/2*welfare"}),
    "two units for three buyers": (lambda: sale(2, agents=3, supply=2), {}),
    "two slots": (lambda: sale(2, agents=2, slots=[1, "1/3"]), {}),
    "utility as well": (lambda: sale(), {"objective": "revenue+1/4*utility"}),
}


@pytest.mark.parametrize("name", ASKED)
def test_fractions_of_other_problems_earn_their_optimum(name):
    """With constraints on payments, and for other objectives; the value by walking the table."""
    make, asked = ASKED[name]
    best = mo.optimum(make(), exact=True, **asked)
    found = best.explain()
    assert all(rule.exact is not None for state in found.states for rule in state.rules)
    weights = [Fraction(str(w)) for w in (best.objective.revenue, best.objective.welfare, best.objective.utility)]
    revenue, welfare = walked(found), welfare_walked(found)
    assert weights[0] * revenue + weights[1] * welfare + weights[2] * (welfare - revenue) == best.exact


def welfare_walked(found):
    """Expected values less costs of what is done, by walking the states."""
    env = found.mechanism.environment
    exact, total = env.exact, Fraction(0)
    states = {state.name: state for state in found.states}
    for path in product(*[range(int(np.prod(row))) for row in env.shape]):
        chance, worth, state, before = Fraction(1), Fraction(0), found.states[0], ()
        for t, profile in enumerate(path):
            types = np.unravel_index(profile, env.shape[t])
            for i, k in enumerate(types):
                if env.kind == "independent":
                    chance *= exact.probabilities[i][t][k]
                else:
                    chance *= exact.initial[i][k] if t == 0 else exact.kernel[i][t - 1][0][before[i]][k]
            before = types
            (rule,) = (rule for rule in state.rules if profile in rule.profiles)
            for action, x in enumerate(Fraction(x).limit_denominator(10**6) for x in rule.chances):
                if env.kind == "independent":
                    value = exact.values[action - 1][t][types[action - 1]] - exact.cost[t] if action else 0
                else:
                    value = sum(exact.values[i][t][action][k] for i, k in enumerate(types)) - exact.cost[action]
                worth += exact.discount**t * x * value
            state = states[rule.next[0]] if rule.next else None
        total += chance * worth
    return total


def test_what_misreports_may_gain_is_said_with_the_verdict():
    found = mo.optimum(sale(), subject_to="epsilon:1/10").explain()
    assert "dic satisfied up to a gain of 1/10, epir satisfied" in str(found)
    assert "dic satisfied up to a gain of 1/10" in found.to_html()
    assert "up to" not in str(mo.optimum(sale()).explain())


@pytest.mark.parametrize(
    ("shares", "fits"),
    [([1, "1/2"], True), (["3/4", "3/4"], True), ([1, "2/3"], False), (["5/4", 0], False), (["1/2", 1], True)],
)
def test_what_the_slots_can_supply(shares, fits):
    """One slot of weight 1 and one of 1/2: a buyer has at most 1, both together at most 3/2."""
    allocation = np.array([[Fraction(share)] for share in shares], dtype=object)
    assert _supplied(allocation, (Fraction(1), Fraction(1, 2))) is fits
    assert not _supplied(allocation, (Fraction(1),))
