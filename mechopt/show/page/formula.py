"""A formula as one HTML page: its pieces, a picture, and a slider at which value and mechanism stay exact.

The page holds the pieces and, by basis, the rules of the mechanism as integer polynomials; its script evaluates them at
the rational point of the slider, or at a fraction that is typed, in whole numbers of any length.
"""

from __future__ import annotations

import json
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction
from mechopt.proof.formula.spelling import end_content
from mechopt.show.page.page import Cell, Column, Origin, Picture, Table, render
from mechopt.show.page.wording import names
from mechopt.solve.parametric.walk import point_between
from mechopt.study.formula.facts import direction_of
from mechopt.study.formula.rules import State, letter
from mechopt.study.formula.text import end_text, payment_texts, rows

if TYPE_CHECKING:
    from mechopt.study.formula.formula import Formula

MOST_RULES = 20_000
"""So many lines of rules of all bases together are put into a page; else the mechanism is left out."""


def formula_report(found: Formula, title: str = "", command: str = "", model: str = "") -> str:
    """Write a formula as one HTML page that needs nothing else.

    Parameters
    ----------
    found : Formula
    title : str
        Default: what it is about.
    command : str
        That computes it again.
    model : str
        Text of the model file.

    Raises
    ------
    InputError
        If jinja2 is not installed.

    Examples
    --------
    >>> import mechopt as mo
    >>> found = mo.formula('''
    ... kind = "independent"
    ... horizon = 1
    ... [parameters]
    ... p = ["0", "1"]
    ... [[buyers]]
    ... values = [1, 2]
    ... probabilities = ["1 - p", "p"]
    ... ''')
    >>> page = formula_report(found)
    >>> "2 p" in page and 'type="range"' in page
    True
    """
    name, live = found.parameter, live_part(found)
    return render(
        "formula.html.j2",
        scripts=("formula.js",),
        title=title or f"Optimal {found.objective} as a function of {name}",
        heading=f"{len(found.pieces)} pieces for {name} from {found.model.start} to {found.model.stop}",
        known=_facts(found),
        pieces=_table(found),
        parameter=name,
        first=live["first"],
        with_rules=live["with_rules"],
        data=live["data"],
        pictures=_pictures(found),
        origin=Origin(command or "mo.formula(...)", "none", (("model, as functions", found.model.fingerprint),), model),
    )


def live_part(found: Formula, point: Fraction | None = None) -> dict[str, Any]:
    """Slider with value and mechanism at its point, for ``formula_live`` of the templates.

    Parameters
    ----------
    found : Formula
    point : Fraction, optional
        Where the slider stands at first; default inside the middle piece.
    """
    content, with_rules = _data(found)
    from markupsafe import Markup

    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    return {
        "parameter": found.parameter,
        "proved": found.proved,
        "first": str(_first(found) if point is None else point),
        "with_rules": with_rules,
        "data": Markup(text),
    }


def _first(found: Formula) -> Fraction:
    """Where the slider stands at first: inside the middle piece."""
    piece = found.pieces[len(found.pieces) // 2]
    return point_between(piece.start, piece.stop, 0)


def _facts(found: Formula) -> list[tuple[str, str]]:
    name = found.parameter
    known = [
        ("constraints", f"{names(found.ic)} and {names(found.ir)}"),
        *([("payments", ", ".join(payment_texts(found.subject_to, name)))] if found.subject_to else []),
        (f"in {name}", direction_of(found.pieces)),
        ("proved", f"for {found.model.start} < {name} < {found.model.stop}" if found.proved else "no"),
    ]
    for closed, intervals in found.equals.items():
        where = ", ".join(f"{end_text(a, name)} to {end_text(b, name)}" for a, b in intervals)
        known.append((f"equals {closed}", where or "nowhere"))
    known += [(f"at {name} = {point}", str(one.value)) for point, one in found.points.items()]
    known += [("not reached", f"{end_text(a, name)} to {end_text(b, name)}") for a, b in found.uncovered]
    return known


def _table(found: Formula) -> Table:
    heads = Column("from", True), Column("to"), Column("value"), Column("direction"), Column("bend at the end")
    listed = []
    for piece, cells in zip(found.pieces, rows(found), strict=True):
        first, second, *rest = cells
        listed.append(
            (
                Cell(first, float(piece.start)),
                Cell(second, float(piece.stop)),
                *(Cell(text, text) for text in rest),
            )
        )
    return Table("pieces", "Pieces", heads, tuple(listed))


def _pictures(found: Formula) -> list[Picture]:
    """The curve; none where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        return []
    from mechopt.show.page.svg import inline_svg

    ends = f"from {float(found.pieces[0].start):.4g} to {float(found.pieces[-1].stop):.4g}"
    label = f"Curve: the optimal {found.objective} by {found.parameter}, {ends}, {len(found.pieces)} pieces."
    return [Picture(inline_svg(found.plot, label, "formula"), "Dots are the ends of pieces.")]


def _data(found: Formula) -> tuple[dict[str, Any], bool]:
    """Data of the page's script, and whether the mechanism is in it."""
    name, functions = found.parameter, dict[RationalFunction, int]()
    bases, lines = [], 0
    for basis in found.walk.bases:
        listed: list[Any] = []
        if lines <= MOST_RULES:
            listed = _rules(found.rules(point_between(basis.start, basis.stop, 0)), functions)
        lines += len(listed)
        bases.append({**_interval(basis.start, basis.stop, name), "closed": list(basis.closed), "rules": listed})
    with_rules = lines <= MOST_RULES
    if not with_rules:
        functions.clear()
        for one in bases:
            one["rules"] = []
    pieces = [
        {
            **_interval(piece.start, piece.stop, name),
            "closed": list(piece.closed),
            "text": piece.function.text(name),
            **_function(piece.function),
        }
        for piece in found.pieces
    ]
    content = {
        "parameter": name,
        "start": str(found.model.start),
        "stop": str(found.model.stop),
        "pieces": pieces,
        "bases": bases,
        "points": {str(point): str(one.value) for point, one in found.points.items()},
        "functions": [_function(function) for function in functions],
    }
    return content, with_rules


def _function(function: RationalFunction) -> dict[str, list[str]]:
    return {"numerator": [str(x) for x in function.numerator], "denominator": [str(x) for x in function.denominator]}


def _interval(start: AlgebraicNumber, stop: AlgebraicNumber, name: str) -> dict[str, Any]:
    return {
        "from": end_content(start) | {"text": end_text(start, name)},
        "to": end_content(stop) | {"text": end_text(stop, name)},
    }


def _rules(states: tuple[State, ...], functions: dict[RationalFunction, int]) -> list[list[list[str | int]]]:
    """Lines of a table whose cells are texts and numbers of functions."""

    def place(function: RationalFunction) -> str | int:
        constant = function.constant
        return str(constant) if constant is not None else functions.setdefault(function, len(functions))

    lines: list[list[list[str | int]]] = []
    for state in states:
        for k, entry in enumerate(state.entries):
            happens: list[str | int] = []
            for words, chance in entry.outcome:
                joint = ", " if happens else ""
                happens += [f"{joint}{words}"] if chance == 1 else [f"{joint}{words} with ", place(chance)]
            pays: list[str | int] = []
            for number in entry.pays:
                pays += [", ", place(number)] if pays else [place(number)]
            then = ", ".join(f"{by}: {letter(after)}" if by else letter(after) for by, after in entry.then)
            when = [letter(state.number), f"t={state.period}"] if k == 0 else ["", ""]
            cells: list[list[str | int]] = [[when[0]], [when[1]], [entry.reports], happens or ["keep"], pays, [then]]
            lines.append(cells)
    return lines
