"""The checker of one basis, on a program of two columns that is solved by hand, and parts of it alone."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache

import pytest

import mechopt as mo
from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction
from mechopt.proof.certificate import CertificateError
from mechopt.proof.formula.check import BasisCheck, check_formula_proof
from mechopt.proof.formula.file import ProvedBasis
from mechopt.proof.formula.rows import IntegerRow, rebuilt_rows
from tests.parametric_models import independent

P = RationalFunction.parameter()
ONE = RationalFunction.of(1)
UNIT = AlgebraicNumber.rational(0), AlgebraicNumber.rational(1)


@dataclass(frozen=True)
class Program:
    """Maximise p x + y over p x + y <= 1, x - y >= -1, 0 <= x <= 1 and y >= 0: (1, 1 - p) and (0, 1) are worth 1."""

    rows: list = field(
        default_factory=lambda: [
            IntegerRow("first", ((0, (0, 1)), (1, (1,))), (1,), None, Fraction(1)),
            IntegerRow("second", ((0, (1,)), (1, (-1,))), (1,), Fraction(-1), None),
        ]
    )
    lower: list = field(default_factory=lambda: [0, 0])
    upper: list = field(default_factory=lambda: [1, None])
    cost: list = field(default_factory=lambda: [(0, 1), (1,)])
    offset: tuple = ()
    common: tuple = (1,)
    stretch: list = field(default_factory=lambda: [(1,), (1,)])
    columns: int = 2

    def words(self, column):
        return f"column {column}"


def checked(primal, dual, value=ONE, program=None):
    entries = [tuple((j, f) for j, f in enumerate(side) if f) for side in (primal, dual)]
    return BasisCheck(program or Program(), ProvedBasis(*UNIT, *entries), value).run()


def functions(*given):
    return [RationalFunction.of(number) for number in given]


def test_optima_by_hand_are_proved():
    for primal in (functions(1, 1 - P), functions(0, 1), functions(P, 1 - P * P)):
        assert checked(primal, functions(1, 0)) == (True, True)


LITTLE = P * (1 - P) / 10**6
OUTSIDE = {  # worth 1, and out of one side alone
    "above-a-row": (functions(1, 1 - P + LITTLE), ONE + LITTLE, "primal: first is violated"),
    "below-a-row": (functions(-LITTLE, 1 + P * LITTLE), ONE, "primal: second is violated"),
    "below-a-bound": (functions(-LITTLE, 1 + P * LITTLE), ONE, "primal: column 0 is violated"),
    "above-a-bound": (functions(1 + LITTLE, 1 - P - P * LITTLE), ONE, "primal: column 0 is violated"),
    "below-another-bound": (functions(1, -LITTLE), P - LITTLE, "primal: column 1 is violated"),
    "crossing-a-bound": (functions(P - Fraction(1, 2), 1 - P * P + P / 2), ONE, "primal: column 0: a polynomial"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_leaves_one_side_is_refused(name):
    primal, value, words = OUTSIDE[name]
    program = Program()
    if name.startswith(("below-a-bound", "crossing")):
        program = replace(program, rows=[program.rows[0], replace(program.rows[1], lower=Fraction(-9))])
    with pytest.raises(CertificateError, match=words):
        checked(primal, functions(1, 0), value, program)


def test_multipliers_press_on_sides_that_exist():
    primal = functions(0, 1)
    for dual, words in (
        (functions(-1, 0), "multiplier of first presses on a side that it has not"),
        (functions(1, 1), "multiplier of second presses on a side that it has not"),
        (functions(Fraction(1, 2), 0), "reduced cost of column 1 presses on a side that it has not"),
        (functions(P, 0), "reduced cost of column 1 presses on a side that it has not"),
    ):
        with pytest.raises(CertificateError, match=f"dual: {words}"):
            checked(primal, dual)
    assert checked(primal, functions(1, 0)) == (True, True)
    with pytest.raises(CertificateError, match="value: the dual is worth"):
        checked(primal, functions(2, 0))


def test_equal_sides_take_multipliers_of_either_sign_and_both_count():
    """Minimise -p x - y instead, with p x + y = 1: the multiplier is below 0, and that of the other sign above it."""
    program = Program()
    equal = replace(program, rows=[replace(program.rows[0], lower=Fraction(1)), program.rows[1]])
    assert checked(functions(0, 1), functions(1, 0), program=equal) == (True, True)
    turned = replace(equal, cost=[(0, -1), (-1,)])
    assert checked(functions(0, 1), functions(-1, 0), -ONE, turned) == (True, True)


def test_entries_beyond_the_program_are_refused():
    for primal, dual, words in (
        (functions(0, 1, P), functions(1, 0), "primal: there is no entry 2; the program has 2"),
        (functions(0, 1), functions(1, 0, P), "dual: there is no entry 2; the program has 2"),
    ):
        with pytest.raises(CertificateError, match=words):
            checked(primal, dual)


def test_poles_at_ends_leave_the_end_out():
    program = replace(Program(), lower=[None, 0], upper=[None, None], rows=[Program().rows[0]], stretch=[(1,)])
    assert checked([1 / P, RationalFunction.of(0)], functions(1), program=program) == (False, True)
    assert checked([1 / (P - 1), 1 - P / (P - 1)], functions(1), program=program) == (True, False)
    with pytest.raises(CertificateError, match="primal: the denominator vanishes inside"):
        checked([1 / (2 * P - 1), 1 - P / (2 * P - 1)], functions(1), program=program)


# --- whole proofs ---


@cache
def found():
    return mo.formula(independent(3), prove=False)


def test_empty_intervals_are_not_intervals():
    proof = found().proof()
    start, stop = map(AlgebraicNumber.rational, (proof.start, proof.stop))
    for parts in ("pieces", "bases"):
        first = getattr(proof, parts)[0]
        empty = replace(first, start=start, stop=start)
        with pytest.raises(CertificateError, match="is not an interval"):
            mo.check_formula(found().model, replace(proof, **{parts: (empty, *getattr(proof, parts))}))
    with pytest.raises(CertificateError, match="is not an interval"):
        mo.check_formula(found().model, replace(proof, uncovered=((stop, stop),)))


def test_certificates_of_points_are_about_points_inside_and_the_same_constraints():
    proof, model = found().proof(), found().model
    for point, changes, words in (
        (Fraction(1, 3), {}, None),
        (Fraction(0), {}, "about something else"),
        (Fraction(1), {}, "about something else"),
        (Fraction(1, 3), {"ir": mo.Interim()}, "about something else"),
        (Fraction(1, 3), {"objective": mo.Welfare()}, "about something else"),
    ):
        certificate = mo.formats.certify(model.at(point), form=proof.form, **changes)
        pointed = replace(proof, points=((point, certificate),))
        if words is None:
            assert check_formula_proof(model, pointed).points == {point: certificate.value}
        else:
            with pytest.raises(CertificateError, match=words):
                check_formula_proof(model, pointed)


def test_the_rows_of_a_model_are_whole():
    rows = rebuilt_rows(found().model, found().proof())
    assert all(isinstance(x, int) for row in rows.rows for _, entry in row.entries for x in entry)
    assert len(rows.stretch) == len(rows.rows) and len(rows.cost) == rows.columns
