"""A formula as text, LaTeX, sympy and plain values for ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import Polynomial, polynomial_text
from mechopt.mechanism.payments import PaymentConstraint, amounts_of
from mechopt.solve.parametric.pieces import Piece, kink
from mechopt.study.formula.facts import direction

if TYPE_CHECKING:
    from mechopt.study.formula.formula import Formula
    from mechopt.study.formula.guarantee import GuaranteeFormula
    from mechopt.study.formula.ratio import Ratio


def end_text(end: AlgebraicNumber, name: str) -> str:
    """An end as one reads it: exact where it is rational, in radicals where it is quadratic, else with its polynomial.

    Examples
    --------
    >>> from mechopt.core.algebraic import real_roots
    >>> end_text(real_roots((1, -3, 1))[0], "p"), end_text(real_roots((2, -4, 0, 1))[1], "p")
    ('(3 - sqrt(5))/2 = 0.3819660113', '0.5391888728, root of p^3 - 4 p + 2')
    """
    radical = end.radical()
    if end.exact is not None:
        return str(end.exact)
    if radical is not None:
        return f"{radical} = {float(end):.10f}"
    return f"{float(end):.10f}, root of {polynomial_text(end.polynomial, name)}"


def end_latex(end: AlgebraicNumber) -> str:
    """An end as LaTeX: a fraction, radicals, or a decimal."""
    if end.exact is not None:
        return _fraction_latex(end.exact.numerator, end.exact.denominator)
    if len(end.polynomial) == 3:
        (outside, times), inside, below = end.quadratic()
        root = rf"{'' if abs(times) == 1 else abs(times)}\sqrt{{{inside}}}"
        above = f"{outside} {'-' if times < 0 else '+'} {root}" if outside else f"{'-' * (times < 0)}{root}"
        return above if below == 1 else rf"\frac{{{above}}}{{{below}}}"
    return f"{float(end):.10f}"


def _fraction_latex(above: int, below: int) -> str:
    if below == 1:
        return str(above)
    return rf"{'-' * (above < 0)}\frac{{{abs(above)}}}{{{below}}}"


def latex(found: Formula | GuaranteeFormula) -> str:
    """The value with ``cases``; what was not reached is left out."""
    name = found.parameter
    lines = []
    for piece in found.pieces:
        ends = rf"{end_latex(piece.start)} \le {name} \le {end_latex(piece.stop)}"
        lines.append(rf"  {piece.function.latex(name)} & \text{{if }} {ends}")
    return rf"v({name}) = \begin{{cases}}" + "\n" + " \\\\\n".join(lines) + "\n" + r"\end{cases}"


def _sympy_polynomial(polynomial: Polynomial, name: str) -> str:
    terms = [f"{x}*{name}**{k}" if k else str(x) for k, x in enumerate(polynomial) if x]
    return f"({' + '.join(terms) or '0'})"


def sympy_function(function: RationalFunction, name: str) -> str:
    """A function as sympy reads it, exact."""
    return f"{_sympy_polynomial(function.numerator, name)}/{_sympy_polynomial(function.denominator, name)}"


def sympy_text(found: Formula | GuaranteeFormula) -> str:
    """A ``Piecewise`` that ``sympy.sympify`` reads; irrational ends are ``CRootOf``."""
    name = found.parameter
    cases = []
    for piece in found.pieces:
        stop = piece.stop
        end = (
            f"Rational({stop.exact.numerator}, {stop.exact.denominator})"
            if stop.exact is not None
            else f"CRootOf({_sympy_polynomial(stop.polynomial, name)}, {stop.index})"
        )
        cases.append(f"({sympy_function(piece.function, name)}, {name} <= {end})")
    return f"Piecewise({', '.join(cases)})"


def rows(found: Formula | GuaranteeFormula) -> list[list[str]]:
    """The table of pieces: from, to, value, direction, how the upper end bends, bases."""
    name, pieces = found.parameter, found.pieces
    listed = []
    for k, piece in enumerate(pieces):
        after = pieces[k + 1] if k + 1 < len(pieces) and pieces[k + 1].start == piece.stop else None
        bend = "" if after is None else kink(piece.function, after.function, piece.stop)
        listed.append(
            [
                str(piece.start.exact) if piece.start.exact is not None else f"{float(piece.start):.10f}",
                end_text(piece.stop, name),
                piece.function.text(name),
                direction(piece),
                bend,
            ]
        )
    return listed


def payment_texts(constraints: Sequence[PaymentConstraint], name: str) -> list[str]:
    """Constraints on payments as one reads them, such as ``budget:1 + p``."""
    found = []
    for constraint in constraints:
        amounts = ", ".join(RationalFunction.of(amount).text(name) for amount in amounts_of(constraint))
        found.append(f"{constraint.name.partition(':')[0]}:{amounts}" if amounts else constraint.name)
    return found


def share_text(share: Ratio, name: str) -> str:
    """A closed form's least share of the optimum, and where it is optimal."""
    least, number = share.minimum.radical(), share.minimum.exact
    decimals = f"{float(share.minimum):.10f}"
    if number is not None and number.denominator == 1:
        exact = str(number)
    elif least is not None:
        exact = f"{least} = {decimals}"
    else:
        exact = f"{decimals}, root of {polynomial_text(share.minimum.polynomial, 'y')},"
    places = " and ".join(f"{name} = {end_text(place, name)}" for place in share.at)
    how = "at" if share.attained else "in the limit at"
    text = f"at least {exact} of the optimum, {how} {places}"
    if share.equal:
        where = ", ".join(f"{float(a):.6g} <= {name} <= {float(b):.6g}" for a, b in share.equal)
        text += f"; optimal for {where}"
    return text


def share_document(share: Ratio) -> dict[str, Any]:
    """Keys of one of the ``ratios`` of ``mechopt formula --json``."""
    return {
        "name": share.name,
        "minimum": _end_plain(share.minimum),
        "at": [_end_plain(place) for place in share.at],
        "attained": share.attained,
        "optimal": [{"from": _end_plain(a), "to": _end_plain(b)} for a, b in share.equal],
        "pieces": [
            {
                "from": _end_plain(piece.start),
                "to": _end_plain(piece.stop),
                "numerator": [str(x) for x in piece.function.numerator],
                "denominator": [str(x) for x in piece.function.denominator],
            }
            for piece in share.pieces
        ],
    }


def _pieces_plain(pieces: tuple[Piece, ...], name: str) -> list[dict[str, Any]]:
    return [
        {
            "from": _end_plain(piece.start),
            "to": _end_plain(piece.stop),
            "closed": list(piece.closed),
            "numerator": [str(x) for x in piece.numerator],
            "denominator": [str(x) for x in piece.denominator],
            "latex": piece.function.latex(name),
            "text": piece.function.text(name),
            "direction": direction(piece),
            "bases": piece.bases,
        }
        for piece in pieces
    ]


def guarantee_document(found: GuaranteeFormula) -> dict[str, Any]:
    """Keys of ``mechopt formula --json`` for scenarios."""
    names, paid = found.model.middle.names, payment_texts(found.terms.subject_to, found.parameter)
    return {
        "parameter": found.parameter,
        "interval": [str(found.model.start), str(found.model.stop)],
        "objective": found.objective,
        "constraints": {
            "ic": [n.name for n in found.terms.ic],
            "ir": [n.name for n in found.terms.ir],
            "benchmark": found.terms.benchmark,
            **({"subject_to": paid} if paid else {}),
        },
        "pieces": _pieces_plain(found.pieces, found.parameter),
        "optima": [
            {"scenario": name, "pieces": _pieces_plain(pieces, found.parameter)}
            for name, pieces in zip(names, found.optima, strict=True)
        ],
        "proved": found.proved,
        "uncovered": [{"from": _end_plain(a), "to": _end_plain(b)} for a, b in found.uncovered],
        "latex": latex(found),
        "sympy": sympy_text(found),
        "seconds": found.seconds,
    }


def document(found: Formula) -> dict[str, Any]:
    """Keys of ``mechopt formula --json``."""
    return {
        "parameter": found.parameter,
        "interval": [str(found.model.start), str(found.model.stop)],
        "objective": str(found.objective),
        "constraints": {
            "ic": [n.name for n in found.ic],
            "ir": [n.name for n in found.ir],
            **({"subject_to": payment_texts(found.subject_to, found.parameter)} if found.subject_to else {}),
        },
        "form": found.program.form,
        "pieces": _pieces_plain(found.pieces, found.parameter),
        "points": [{"at": str(point), "value": str(proof.value)} for point, proof in found.points.items()],
        "equals": {
            name: [{"from": _end_plain(a), "to": _end_plain(b)} for a, b in intervals]
            for name, intervals in found.equals.items()
        },
        "regimes": [
            {"regime": one.letter, "from": _end_plain(one.start), "to": _end_plain(one.stop)} for one in found.regimes
        ],
        "proved": found.proved,
        "uncovered": [{"from": _end_plain(a), "to": _end_plain(b)} for a, b in found.uncovered],
        "latex": latex(found),
        "sympy": sympy_text(found),
        "size": {"rows": found.program.rows, "columns": found.program.columns, "bases": len(found.walk.bases)},
        "seconds": found.seconds,
    }


def _end_plain(end: AlgebraicNumber) -> dict[str, Any]:
    return {
        "value": float(end),
        "polynomial": [str(x) for x in end.polynomial],
        "root": end.index,
        "exact": None if end.exact is None else str(end.exact),
        "radical": end.radical(),
    }
