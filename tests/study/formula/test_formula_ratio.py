"""Closed forms as functions, and their exact worst share of the optimum: the prototype's numbers, and properties."""

from fractions import Fraction
from functools import cache
from random import Random

import pytest

import mechopt as mo
from mechopt.closedform.functions import REVENUES
from mechopt.core.errors import InputError
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import roots_between
from mechopt.solve.parametric.roots import enclosed, roots_of, value_at
from mechopt.study.formula.ratio import closed_form
from tests.parametric_models import CASES, HALF, battaglini, independent


@cache
def found(horizon: int, count: int = 1) -> mo.results.Formula:
    return mo.formula(independent(horizon, count=count), prove=False)


MYERSON = {2: "8/9", 3: "6/7", 4: "128/153"}
BALANCE = {2: "1/2", 3: "5/9", 4: "7/12"}


@pytest.mark.parametrize("horizon", MYERSON)
def test_worst_shares_of_the_two_value_family(horizon: int) -> None:
    myerson = found(horizon).ratio("repeated-myerson")
    assert myerson.minimum == Fraction(MYERSON[horizon]) and myerson.at == (_half(),) and myerson.attained
    assert myerson.equal[-1][0] == Fraction(horizon, horizon + 1)
    balance = found(horizon).ratio("non-clairvoyant-balance")
    assert balance.minimum == Fraction(BALANCE[horizon]) and not balance.attained and balance.at[0] == 0


def _half() -> object:
    return roots_of((-1, 2))[0]


@pytest.mark.slow
@pytest.mark.parametrize(("horizon", "share"), [(5, "640/779"), (6, "768/947")])
def test_worst_shares_of_longer_horizons(horizon: int, share: str) -> None:
    assert found(horizon).ratio("repeated-myerson").minimum == Fraction(share)


def test_the_optimum_as_a_share_of_the_surplus() -> None:
    """T=1: 2/3; T=2: (5 + sqrt 5)/10 where p^2 - 3p + 1 = 0; T=3: a root of 45 y^2 - 75 y + 31."""
    for horizon, polynomial in ((1, (-2, 3)), (2, (1, -5, 5)), (3, (31, -75, 45))):
        surplus = found(horizon).ratio("first-best")
        largest = max(
            (value_at(1 / share.function, end) for share in surplus.pieces for end in (share.start, share.stop)),
            key=float,
        )
        assert largest == 1  # all surplus is extracted at an end
        least = min(
            (value_at(1 / share.function, end) for share in surplus.pieces for end in (share.start, share.stop)),
            key=float,
        )
        assert least.polynomial == polynomial


def test_closed_forms_have_the_known_pieces() -> None:
    pieces = closed_form(found(4).model, "non-clairvoyant-balance")
    assert [str(piece.function) for piece in pieces] == ["(7 + 5 p)/3", "(3 + 13 p)/3"]
    assert pieces[0].stop == Fraction(1, 2)


@pytest.mark.parametrize(
    "name", ["p-4", "h-3", "cost", "discount-124", "zero-value", "two-unlike-buyers", "three-buyers"]
)
@pytest.mark.parametrize("mechanism", REVENUES)
def test_closed_forms_are_their_values_at_every_point(name: str, mechanism: str) -> None:
    model, random = mo.formats.loads_parametric(CASES[name].text), Random(name)
    many, short = model.middle.agents > 2, model.middle.horizon != 2
    if (many and mechanism in ("non-clairvoyant-balance", "two-period")) or (short and mechanism == "two-period"):
        with pytest.raises(InputError, match=r"one buyer or two|for two periods"):
            closed_form(model, mechanism)
        return
    pieces = closed_form(model, mechanism)
    assert pieces[0].start == model.start and pieces[-1].stop == model.stop
    for _ in range(12):
        point = model.start + (model.stop - model.start) * Fraction(random.randrange(1, 997), 997)
        (function,) = {piece.function for piece in pieces if point in piece}
        assert function(point) == REVENUES[mechanism](model.at(point).exact)


def test_a_share_is_at_least_its_minimum_everywhere() -> None:
    for count, name in ((1, "repeated-myerson"), (2, "repeated-myerson"), (2, "repeated-second-price")):
        share = found(2, count).ratio(name)
        least = float(share.minimum)
        for k in range(1, 200):
            point = Fraction(k, 200)
            assert float(share.value(point)) >= least - 1e-12
        at = float(share.at[0])
        assert float(share.value(Fraction(at).limit_denominator(10**9))) == pytest.approx(least, abs=1e-7)


def test_a_minimum_inside_a_piece_is_algebraic() -> None:
    share = mo.formula(independent(2, "[1, 2, 4]", '["1-q", "q/2", "q/2"]', name="q"), prove=False).ratio(
        "repeated-myerson"
    )
    value, (place, *_) = share.minimum, share.at
    assert (
        value_at(
            next(s for s in share.pieces if s.start == place or s.stop == place or s.start < place < s.stop).function,
            place,
        )
        == value
    )


def test_values_at_algebraic_numbers() -> None:
    p = RationalFunction.parameter()
    golden = roots_of((-1, -1, 1))[1]
    assert value_at(p * p - p, golden) == 1
    assert value_at(1 / p, golden).polynomial == (-1, 1, 1)
    assert (
        value_at((p + 2) / (p - 3), golden)
        == roots_of(value_at((p + 2) / (p - 3), golden).polynomial)[value_at((p + 2) / (p - 3), golden).index]
    )
    lower, upper = enclosed(p**3 - 2 * p, golden)
    assert lower <= upper and float(lower) == pytest.approx(float(upper)) == pytest.approx(1.0)
    assert [roots_between((-1, -1, 1), Fraction(a), Fraction(a + 1)) for a in (-1, 0, 1)] == [1, 0, 1]


def test_a_share_at_a_point_where_the_optimum_jumps() -> None:
    """Downward constraints alone: at one half the optimum falls from the whole surplus."""
    found = mo.formula(battaglini(2), "downward", "interim", prove=False)
    share = found.ratio("first-best")
    assert share.minimum == 1 and share.equal[0][1] == Fraction(1, 2)
    assert float(share.value(Fraction(3, 4))) > 1


def test_what_has_no_share() -> None:
    with pytest.raises(InputError, match="independent across periods"):
        mo.formula(battaglini(2), prove=False).ratio("repeated-myerson")
    with pytest.raises(InputError, match="known: repeated-myerson"):
        found(2).ratio("pivot")
    with pytest.raises(InputError, match="not known on the whole interval"):
        mo.formula(independent(4), most_pieces=3, prove=False).ratio("repeated-myerson")
    with pytest.raises(InputError, match="zero on a part"):
        mo.formula(independent(1, "[1, 2]", HALF, '["0", "3"]', "c", 'cost = "c"'), prove=False).ratio(
            "repeated-myerson"
        )


def test_the_two_period_mechanism_earns_what_it_earns_and_never_less_than_half() -> None:
    """Its revenue in floats is computed from the mechanism; Theorem 6.3 promises half of the optimum."""
    for text in (independent(2), CASES["zero-value"].text):
        formula, random = mo.formula(text, prove=False), Random(3)
        share = formula.ratio("two-period")
        assert float(share.minimum) >= 0.5
        for _ in range(8):
            point = formula.model.stop * Fraction(random.randrange(1, 997), 997)
            revenue = mo.two_period(formula.model.at(point)).revenue
            assert float(share.value(point) * formula.value(point)) == pytest.approx(revenue, abs=1e-9)
    worst = found(2).ratio("two-period")
    assert worst.minimum == Fraction(3, 4) and worst.at == (0, 1) and not worst.attained
