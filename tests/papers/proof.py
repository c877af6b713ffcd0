"""An exact optimum with its proof: a feasible point and multipliers of equal value, both in fractions.

The solver's floats only suggest fractions. What is proved is checked in exact arithmetic: the point keeps every row, so
its value is attained; the multipliers are at least 0 and leave no payment a reduced objective, so that by weak duality
no mechanism brings more than the sum, over items, of the largest reduced objective of a sale.
"""

from fractions import Fraction

from mechopt import IndependentTypes
from tests.papers.raw_program import Form, RawProgram, raw_program, solved

DENOMINATOR = 10**7  # of the fractions that floats of the solver are read as


def value(form: Form, point: Form) -> Fraction:
    return sum((a * point[column] for column, a in form.items()), start=Fraction(0))


def attained(program: RawProgram, point: Form) -> Fraction:
    """Objective at a point that is feasible."""
    assert all(value(row, point) >= 0 for row in program.rows)
    assert all(point[column] >= 0 for items in program.supply for column in items)
    assert all(sum(point[column] for column in items) <= 1 for items in program.supply)
    return value(program.objective, point)


def upper_bound(program: RawProgram, multipliers: list[Fraction]) -> Fraction:
    """Bound by weak duality with one multiplier a row."""
    assert min(multipliers) >= 0
    reduced = dict(program.objective)
    for multiplier, row in zip(multipliers, program.rows, strict=True):
        for column, a in row.items() if multiplier else ():
            reduced[column] = reduced.get(column, Fraction(0)) + multiplier * a
    assert not any(a for (kind, _, _), a in reduced.items() if kind == "p")
    return sum((max(0, *(reduced[column] for column in items)) for items in program.supply), start=Fraction(0))


def proved_optimum(env: IndependentTypes, ic: tuple[str, ...], ir: tuple[str, ...]) -> Fraction:
    """Largest revenue net of costs, exactly; an AssertionError where the suggested fractions prove nothing."""
    program = raw_program(env, ic, ir)
    point, multipliers = solved(program)

    def read(number: float) -> Fraction:
        return Fraction(float(number)).limit_denominator(DENOMINATOR)

    optimum = attained(program, {column: read(x) for column, x in zip(program.columns, point, strict=True)})
    assert optimum == upper_bound(program, [max(Fraction(0), read(y)) for y in multipliers[: len(program.rows)]])
    return optimum
