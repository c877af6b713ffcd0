"""The last step of the checker, on programs of two columns that are solved by hand."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random

import pytest

from mechopt.proof.certificate import SparseVector
from mechopt.proof.check import prove, prove_infeasible
from mechopt.proof.constraints import CertificateError
from mechopt.proof.rows import Row

F = Fraction


def row(*coefficients, lower=None, upper=None):
    return Row("of the program", (0, None, 0), list(enumerate(coefficients)), lower, upper)


@dataclass(frozen=True)
class Program:
    """Maximise cost x + offset over rows and bounds."""

    cost: list
    listed: list
    lower: list = field(default_factory=lambda: [None, None])
    upper: list = field(default_factory=lambda: [None, None])
    offset: Fraction | int = 0

    @property
    def columns(self):
        return len(self.cost)

    @property
    def row_count(self):
        return len(self.listed)

    def rows(self):
        return iter(self.listed)

    def words(self, column):
        return f"column {column}"


def vector(*numbers):
    denominator = 1
    for number in map(F, numbers):
        denominator *= number.denominator
    return SparseVector.of([int(F(number) * denominator) for number in numbers], denominator)


# max 3x + y/2 with x + y <= 7/2, x - y <= 2: both hold with equality at (11/4, 3/4), worth 69/8. Multipliers solve
# y1 + y2 = 3 and y1 - y2 = 1/2: (7/4, 5/4), and 7/2 * 7/4 + 2 * 5/4 = 69/8.
UPPER = Program([3, F(1, 2)], [row(1, 1, upper=F(7, 2)), row(1, -1, upper=2)], offset=F(5))
# min x + y/2 with x + y >= 7/2, y - x <= 2 and the signs of the multipliers turned where the side is a lower one.
LOWER = Program([-1, F(-1, 2)], [row(1, 1, lower=F(7, 2)), row(1, -1, lower=-2)])
# max x - y with x <= 4/3 and y >= -1/2, bounds alone.
BOUNDS = Program([1, -1], [], [None, F(-1, 2)], [F(4, 3), None])

PROVED = {  # program, primal, dual, value
    "rows-from-above": (UPPER, vector(F(11, 4), F(3, 4)), vector(F(7, 4), F(5, 4)), F(69, 8) + 5),
    "rows-from-below": (LOWER, vector(F(3, 4), F(11, 4)), vector(F(-3, 4), F(-1, 4)), F(-17, 8)),
    "bounds": (BOUNDS, vector(F(4, 3), F(-1, 2)), vector(), F(11, 6)),
    "a-multiplier-of-one": (
        Program([1, 1], [row(1, 1, lower=-3, upper=2)]),
        vector(1, 1),
        SparseVector(1, (0,), (1,)),
        F(2),
    ),
    "a-reduced-cost-of-one": (Program([1, 1], [], [-7, -7], [2, 3]), vector(2, 3), vector(), F(5)),
}


@pytest.mark.parametrize("name", PROVED)
def test_optima_by_hand_are_proved(name):
    program, primal, dual, value = PROVED[name]
    assert prove(program, primal, dual, value) == value


@pytest.mark.parametrize("name", PROVED)
def test_another_value_is_refused_whichever_side_it_is_on(name):
    program, primal, dual, value = PROVED[name]
    for wrong in (value + F(1, 10**9), value - F(1, 10**9), -value):
        with pytest.raises(CertificateError, match="value: the primal is worth"):
            prove(program, primal, dual, wrong)


LITTLE = F(1, 10**9)
OUTSIDE = {  # a point that breaks one side alone, by little
    "above-a-row": (UPPER, (F(11, 4) + LITTLE / 2, F(3, 4) + LITTLE / 2), r"row of the program.*is broken: 350000"),
    "above-a-later-row": (UPPER, (F(11, 4), F(3, 4) - LITTLE), r"is broken: 20000"),
    "below-a-row": (LOWER, (F(3, 4) - LITTLE / 2, F(11, 4) - LITTLE / 2), "is broken: 34999"),
    "below-a-later-row": (LOWER, (F(3, 4), F(11, 4) + LITTLE), "is broken: -20000"),
    "above-a-bound": (BOUNDS, (F(4, 3) + LITTLE, F(-1, 2)), "column 0 is out of bounds: 4000"),
    "below-a-bound": (BOUNDS, (F(4, 3), F(-1, 2) - LITTLE), "column 1 is out of bounds: -5000"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_not_feasible_by_a_billionth_is_refused(name):
    program, point, words = OUTSIDE[name]
    with pytest.raises(CertificateError, match=words):
        prove(program, vector(*point), vector(), F(0))


def test_multipliers_press_on_sides_that_exist():
    below = Program([3, F(1, 2)], [replace(r, lower=r.upper, upper=None) for r in UPPER.listed])
    point, multipliers = vector(F(11, 4), F(3, 4)), vector(F(7, 4), F(5, 4))
    with pytest.raises(CertificateError, match="presses on a side that the row has not"):
        prove(below, point, multipliers, F(69, 8))
    above = Program([-1, F(-1, 2)], [replace(r, upper=r.lower, lower=None) for r in LOWER.listed])
    with pytest.raises(CertificateError, match="presses on a side that the row has not"):
        prove(above, vector(F(3, 4), F(11, 4)), vector(F(-3, 4), F(-1, 4)), F(-17, 8))


@pytest.mark.parametrize("column", [0, 1])
def test_reduced_costs_press_on_bounds_that_exist(column):
    """A column that could go on for ever in the direction in which it pays."""
    cost, lower, upper = [0, 0], [-1, -1], [1, 1]
    for sign, bounds in ((1, upper), (-1, lower)):
        cost[column] = sign
        open_ended = [None if j == column else bound for j, bound in enumerate(bounds)]
        program = Program(cost, [], open_ended if sign < 0 else lower, open_ended if sign > 0 else upper)
        with pytest.raises(CertificateError, match=f"reduced cost of column {column} presses on a bound"):
            prove(program, vector(0, 0), vector(), F(0))


def test_a_weaker_bound_than_the_primal_is_refused_with_both_numbers():
    program, primal, _, value = PROVED["rows-from-above"]
    bounded = replace(program, upper=[F(4), F(4)])  # without multipliers the bounds alone say at most 3 * 4 + 2 + 5
    with pytest.raises(CertificateError, match=r"it proves the bound 19, the primal is worth 109/8"):
        prove(bounded, primal, vector(), value)


WITHOUT_BOUND = {  # along the direction (1, 1) the objective grows
    "free": Program([1, F(-1, 2)], []),
    "rows-on-the-other-side": Program([1, 0], [row(1, 1, lower=5), row(1, -1, lower=1, upper=2)]),
    "lower-bounds": Program([1, 0], [row(-1, -1, upper=-3)], [3, 4]),
}
BOUNDED = {  # it grows, but one side stands in the way
    "an-upper-side": (Program([1, 0], [row(1, 0, upper=5)]), "is broken"),
    "a-lower-side": (Program([1, 0], [row(0, -1, lower=-5)]), "is broken"),
    "both-sides": (Program([1, 0], [row(1, 1, lower=0, upper=5)]), "is broken"),
    "an-upper-bound": (Program([1, 0], [], upper=[None, 7]), "column 1 is out of bounds"),
    "a-lower-bound": (Program([1, 0], [row(2, 1)], [-7, None]), "column 0 is out of bounds"),
}


@pytest.mark.parametrize("name", WITHOUT_BOUND)
def test_a_direction_proves_that_there_is_no_bound(name):
    program = WITHOUT_BOUND[name]
    assert prove(program, SparseVector(1, (0, 1), (1, 1)), vector(), None) is None
    assert prove(program, vector(F(1, 3), F(1, 3)), vector(), None) is None


@pytest.mark.parametrize("name", BOUNDED)
def test_a_side_in_the_way_of_a_direction_is_found(name):
    program, words = BOUNDED[name]
    direction = (-1, 1) if name == "a-lower-bound" else (1, 1)
    with pytest.raises(CertificateError, match=words):
        prove(replace(program, cost=[direction[0], 0]), vector(*direction), vector(), None)


@pytest.mark.parametrize("cost", [[0, 0], [1, -1], [-1, 0]])
def test_a_direction_along_which_nothing_grows_proves_nothing(cost):
    with pytest.raises(CertificateError, match="does not grow along this direction"):
        prove(Program(cost, [], offset=F(9)), vector(1, 1), vector(), None)


@pytest.mark.parametrize("denominator", [0, -1, -4])
def test_a_denominator_is_above_nothing(denominator):
    for primal, dual, name in (
        (SparseVector(denominator, (0,), (1,)), vector(), "primal"),
        (vector(), SparseVector(denominator, (0,), (1,)), "dual"),
    ):
        with pytest.raises(CertificateError, match=f"{name}: the denominator is {denominator}"):
            prove(UPPER, primal, dual, F(0))


@pytest.mark.parametrize("entry", [-1, 2, 3])
def test_entries_beyond_the_program_are_refused(entry):
    for primal, dual, name in (
        (SparseVector(1, (entry,), (1,)), vector(), "primal"),
        (vector(), SparseVector(1, (entry,), (1,)), "dual"),
    ):
        with pytest.raises(CertificateError, match=f"{name}: there is no entry {entry}; the program has 2"):
            prove(UPPER, primal, dual, F(0))


# --- no point at all ---

NO_POINT = {  # program, multipliers, and what all sides add up to: x + y is at most 7/2 and at least 4, and so on
    "two-rows": (Program([3, 1], [row(1, 1, upper=F(7, 2)), row(1, 1, lower=4)]), vector(1, -1), F(-1, 2)),
    "a-row-above-upper-bounds": (
        Program([0, 0], [row(1, 1, lower=4)], upper=[1, F(3, 2)]),
        SparseVector(1, (0,), (-1,)),
        F(-3, 2),
    ),
    "a-row-below-lower-bounds": (Program([0, 0], [row(1, 2, upper=1)], [F(1, 2), F(1, 2)]), vector(1), F(-1, 2)),
    "by-little": (Program([1, 1], [row(1, 1, lower=4, upper=9), row(1, 1, upper=4 - LITTLE)]), vector(-1, 1), -LITTLE),
    "bounds-that-cross": (
        Program([0, 0], [row(1, 0, lower=-1, upper=5), row(1, 1, lower=8)], upper=[None, 2]),
        vector(F(1, 3), F(-1, 3)),
        F(-1, 3),
    ),
}


@pytest.mark.parametrize("name", NO_POINT)
def test_multipliers_prove_that_no_point_keeps_all_rows_and_bounds(name):
    program, multipliers, total = NO_POINT[name]
    prove_infeasible(program, multipliers)
    slack = -total * multipliers.denominator / min(abs(n) for n in multipliers.numerators)
    first, *rest = program.listed
    wider = replace(first, lower=None if first.lower is None else first.lower - slack)
    wider = replace(wider, upper=None if first.upper is None else first.upper + slack)
    with pytest.raises(CertificateError, match="the rows and bounds say 0 <= 0, which is true"):
        prove_infeasible(replace(program, listed=[wider, *rest]), multipliers)


def test_what_is_added_up_is_said_in_the_units_of_the_rows():
    program = Program([0, 0], [row(1, 1, upper=F(7, 2))], [F(1), F(2)])
    with pytest.raises(CertificateError, match="the rows and bounds say 0 <= 1/6, which is true"):
        prove_infeasible(program, vector(F(1, 3)))


def test_a_contradiction_presses_on_sides_and_bounds_that_exist():
    two, multipliers, _ = NO_POINT["two-rows"]
    with pytest.raises(CertificateError, match=r"row of the program.* presses on a side that the row has not"):
        prove_infeasible(two, vector(-1, 1))
    with pytest.raises(CertificateError, match="presses on a side that the row has not"):
        prove_infeasible(two, vector(1, F(1, 2)))
    prove_infeasible(replace(two, listed=[*two.listed, row(1, 0)]), multipliers)  # not pressed on
    for name, column in (("a-row-above-upper-bounds", 1), ("a-row-below-lower-bounds", 0)):
        program, multipliers, _ = NO_POINT[name]
        lower, upper = list(program.lower), list(program.upper)
        lower[column] = upper[column] = None
        with pytest.raises(CertificateError, match=f"multiples of column {column} presses on a bound that it has not"):
            prove_infeasible(replace(program, lower=lower, upper=upper), multipliers)
        with pytest.raises(CertificateError, match=r"presses on a (side|bound)"):
            prove_infeasible(replace(program, lower=program.upper, upper=program.lower), multipliers)


def test_programs_that_have_points_have_no_such_proof():
    """Whatever the multipliers: with x in all rows and bounds they add up to something that is at least 0."""
    chance = Random(3)
    for _ in range(300):
        numbers = [F(chance.randint(-6, 6), chance.randint(1, 3)) for _ in range(2)]
        listed, bounds = [], []
        for _ in range(3):
            a, b = chance.randint(-3, 3), chance.randint(-3, 3)
            value, low, high = a * numbers[0] + b * numbers[1], chance.randint(0, 2), chance.randint(0, 2)
            listed.append(row(a, b, lower=value - low if low < 2 else None, upper=value + high if high < 2 else None))
        for number in numbers:
            bounds.append((number - chance.choice([0, 1]), number + chance.choice([0, 1])))
        program = Program([1, 1], listed, [low for low, _ in bounds], [high for _, high in bounds])
        with pytest.raises(CertificateError, match=r"presses on a|which is true"):
            prove_infeasible(program, vector(*(F(chance.randint(-3, 3), chance.randint(1, 2)) for _ in range(3))))
