"""Formulas known by hand or from the prototype's tables, to the letter; each is proved as it is found."""

from fractions import Fraction
from functools import cache

import pytest

import mechopt as mo
from mechopt.core.expressions import evaluate
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import remainder
from tests.parametric_models import CASES, HALF, battaglini, independent

P = RationalFunction.parameter()


@cache
def found(text: str, ic: str = "file", ir: str = "file") -> mo.results.Formula:
    return mo.formula(text, ic, ir)


def function(text: str) -> RationalFunction:
    return RationalFunction.of(evaluate(text, {"x": P}))


REFERENCES = {
    "p-2": (
        (independent(2),),
        [("2", (1, -3, 1)), ("1+3*x-x**2", "1/2"), ("6*x-3*x**2", "2/3"), ("4*x", "1")],
    ),
    "p-3": (
        (independent(3),),
        [
            ("3", (-1, 4, -3, 1)),
            ("x**3-3*x**2+4*x+2", (1, -3, 1)),
            ("2*x**3-7*x**2+8*x+1", "1/2"),
            ("(2*x**3-6*x**2+10*x-2)/x", (2, -4, 0, 1)),
            ("-2*x**3+3*x**2+2*x+2", (2, -4, 1)),
            ("-x**3-2*x**2+8*x", "2/3"),
            ("-4*x**3+3*x**2+6*x", "3/4"),
            ("6*x", "1"),
        ],
    ),
    "h-2": (
        (independent(2, '[1, "h"]', HALF, '["1", "9"]', "h"),),
        [("2", "3/2"), ("(2*x+5)/4", "2"), ("(3*x+3)/4", "3"), ("x", "9")],
    ),
    "discount-2": ((independent(2, "[1, 2]", HALF, '["0", "1"]', "d", 'discount = "d"'),), [("1+5*x/4", "1")]),
    "discount-3": (
        (independent(3, "[1, 2]", HALF, '["0", "1"]', "d", 'discount = "d"'),),
        [("(4+5*x+5*x**2)/4", "1")],
    ),
    "battaglini-epir-2": (
        (battaglini(2), "file", "epir"),
        [("(13-2*x)/5", "3/4"), ("(2*x+10)/5", "1")],
    ),
    "battaglini-interim-3": (
        (battaglini(3, interval='["1/2", "1"]'),),
        [("(-10*x**2+5*x+21)/5", "3/4"), ("(-10*x**2+9*x+18)/5", (3, -12, 10)), ("(21-3*x)/5", "1")],
    ),
    "two-buyers-2": (
        (independent(2, count=2),),
        [
            ("2+2*x+x**2-x**3", (1, -3, 1)),
            ("-x**4+4*x**3-7*x**2+7*x+1", "1/2"),
            ("-3*x**4+11*x**3-16*x**2+12*x", "2/3"),
            ("8*x-4*x**2", "1"),
        ],
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_formula_is_the_known_one(name: str) -> None:
    asked, expected = REFERENCES[name]
    formula = found(*asked)
    assert formula.proved and not formula.uncovered
    assert [piece.function for piece in formula.pieces] == [function(text) for text, _ in expected]
    for piece, (_, end) in zip(formula.pieces, expected, strict=True):
        if isinstance(end, str):
            assert piece.stop == Fraction(end)
        else:
            assert piece.stop.polynomial == end


def test_ends_are_the_known_decimals() -> None:
    ends = [float(piece.stop) for piece in found(independent(3)).pieces]
    assert ends == pytest.approx(
        [0.3176721962, 0.3819660113, 0.5, 0.5391888728, 0.5857864376, 2 / 3, 0.75, 1], abs=6e-11
    )
    assert float(found(battaglini(3, interval='["1/2", "1"]')).pieces[1].stop) == pytest.approx(0.8449489743)


def test_values_at_one_half() -> None:
    assert found(independent(3)).value(Fraction(1, 2)) == Fraction(7, 2)
    assert found(independent(4)).value("1/2") == Fraction(153, 32)
    assert found(independent(4)).value(0.5) == 153 / 32


@pytest.mark.parametrize(("horizon", "pieces", "bases"), [(2, 4, 4), (3, 8, 8), (4, 17, 17)])
def test_numbers_of_pieces(horizon: int, pieces: int, bases: int) -> None:
    formula = found(independent(horizon))
    assert (len(formula.pieces), len(formula.walk.bases)) == (pieces, bases)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "asked", "pieces"),
    [
        (independent(5), "epir", 31),
        (independent(6), "epir", 62),
        (independent(4, "[1, 2, 4]", '["1 - q", "q/2", "q/2"]', name="q"), "epir", 66),
        (independent(3, count=2), "epir", 10),
        (battaglini(4), "epir", 13),
        (battaglini(5), "epir", 24),
        (battaglini(5, interval='["1/2", "1"]'), "interim", 5),
    ],
)
def test_numbers_of_pieces_of_longer_horizons(text: str, asked: str, pieces: int) -> None:
    formula = found(text, "file", asked)
    assert formula.proved and len(formula.pieces) == pieces


@pytest.mark.parametrize("horizon", [1, 2, 3, 4])
@pytest.mark.parametrize("high", [Fraction(3, 2), Fraction(2), Fraction(5)])
def test_first_and_last_piece_for_every_horizon(horizon: int, high: Fraction) -> None:
    """v = T iff (h-1) p <= (1-p)^T; v = T h p iff p >= T/(T+h-1); and just below that."""
    formula = found(independent(horizon, f'[1, "{high}"]'))
    first, last = formula.pieces[0], formula.pieces[-1]
    assert first.function == horizon
    end = (high - 1) * P - (1 - P) ** horizon
    assert RationalFunction(first.stop.polynomial).numerator[0] == 0 or not _remainder(end, first.stop.polynomial)
    assert last.function == horizon * high * P and last.start == horizon / (horizon + high - 1)
    if horizon > 1:
        below = horizon * high * P + P ** (horizon - 1) * (horizon - (horizon + high - 1) * P)
        assert formula.pieces[-2].function == below


def _remainder(function: RationalFunction, polynomial: tuple[int, ...]) -> tuple[int, ...]:
    return remainder(function.numerator, polynomial)


@pytest.mark.parametrize("horizon", [2, 3])
def test_first_end_is_the_same_with_two_buyers(horizon: int) -> None:
    one, two = found(independent(horizon)), found(independent(horizon, count=2))
    assert one.pieces[0].stop == two.pieces[0].stop


def test_a_point_where_the_optimum_stands_apart() -> None:
    """Uncorrelated signals in the middle of the interval: full extraction has no limit there."""
    case = CASES["interdependent"]
    formula = found(case.text, case.ic, case.ir)
    point = Fraction(1, 4)
    assert [piece.closed for piece in formula.pieces] == [(True, False), (False, True)]
    assert list(formula.points) == [point]
    assert formula.value(point) == mo.formats.certify(formula.model.at(point), formula.ic, formula.ir).value
    assert formula.theorem.points == {point: formula.value(point)}


def test_a_value_that_jumps() -> None:
    """Against downward misreports alone, negative correlation pays for itself up to, but not at, one half."""
    formula = found(battaglini(3), "downward", "interim")
    end, (below, above) = Fraction(1, 2), formula.pieces[:2]
    assert below.stop == end and not below.closed[1] and above.closed[0]
    assert below.function(end) > above.function(end) == formula.value(end)
    assert mo.formats.certify(formula.model.at(end), formula.ic, formula.ir).value == formula.value(end)


def test_pieces_of_four_periods_in_the_high_value() -> None:
    """12 pieces up to 9, and 11 up to 5; at each end inside, exact optima close by lie on no straight line."""
    for stop, count in ((9, 12), (5, 11)):
        found = mo.formula(independent(4, '[1, "h"]', HALF, f'["1", "{stop}"]', "h"), prove=False)
        assert len(found.pieces) == count
        for piece in found.pieces[:-1]:
            end, step = piece.stop.exact, Fraction(1, 1000)
            assert end is not None
            worth = [
                mo.formats.certify(mo.IndependentTypes.iid([1, end + k * step], ["1/2", "1/2"], horizon=4)).value
                for k in (-1, 0, 1)
            ]
            assert worth[0] + worth[2] > 2 * worth[1]
