"""`mechopt show`: a mechanism as states instead of histories."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mechopt.cli.options import At, Goal, Ic, Ir, Json, Model, SubjectTo, environment_of, problem_of, require_targets
from mechopt.core.errors import InputError
from mechopt.core.printable import printable
from mechopt.show.terminal.console import progress_shown, say

if TYPE_CHECKING:
    from mechopt.study.formula.formula import Formula


def show(
    model: Model,
    mechanism: Annotated[
        str | None,
        typer.Argument(
            metavar="[MECHANISM]",
            help="a mechanism file written with --save, or a name of mechopt compare; default: the optimum",
        ),
    ] = None,
    ic: Ic = None,
    ir: Ir = None,
    subject_to: SubjectTo = None,
    objective: Goal = None,
    exact: Annotated[bool, typer.Option("--exact", help="prove the optimum in exact rationals as well")] = False,
    html: Annotated[str | None, typer.Option(metavar="FILE.html", help="write a page to explore")] = None,
    slider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="with --html and --at: a slider of this parameter of the model, exact"),
    ] = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="write the mechanism that is shown")] = None,
    most: Annotated[int, typer.Option("--rules", min=1, help="rules that are printed")] = 60,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Show what a mechanism does: its states and rules, and what memory is worth."""
    from mechopt.modelfile import read
    from mechopt.show.explain.explain import explain
    from mechopt.show.explain.explanation import Explanation
    from mechopt.show.explain.policies.explanation import PolicyExplanation
    from mechopt.show.explain.table import lines
    from mechopt.show.page.page import require_report
    from mechopt.show.terminal import output
    from mechopt.show.terminal.explained import explained

    if slider is not None and (html is None or at is None or mechanism is not None):
        raise InputError("--slider is for the page of an optimum of a model with parameters; write --html and --at")
    if html is not None:
        require_report(html)
    require_targets(save)
    file = read(model, at)
    found: Explanation | PolicyExplanation
    if mechanism is not None:
        if exact or any(given is not None for given in (ic, ir, subject_to, objective)):
            raise InputError(
                "--ic, --ir, --subject-to, --objective and --exact are about the optimum; leave them out, or MECHANISM"
            )
        found = explain(_given(mechanism, environment_of(file)))
    else:
        problem = problem_of(file, ic, ir, objective, subject_to=subject_to)
        with progress_shown("solving") as progress:
            best = problem.solve(
                exact=exact,
                progress=progress,
                bracket=None if progress is None else progress.bracket,
            ).require_optimal()
        found = explain(best)
    if html is not None:
        known = None if slider is None else _as_function(model, slider, str(at), ic, ir, objective, subject_to)
        if known is not None and isinstance(found, Explanation):
            found.to_html(html, file.title or model, *known)
        elif known is not None:
            raise InputError("--slider: this mechanism is explained from its own tables, which have none; leave it out")
        else:
            found.to_html(html, file.title or model)
    if save is not None:
        found.mechanism.save(save)
    if as_json:
        say(output.to_json(explained(found, file.title)))
        return
    if file.title:
        say(printable(file.title))
    for line in lines(found, most=most):
        say(line)


def _given(mechanism: str, environment: Any) -> Any:
    """A mechanism from its file, or by its name in comparisons where there is no file of that name."""
    from mechopt.mechanism.archive import load_mechanism

    if not Path(mechanism).exists() and not mechanism.endswith(".npz") and Path(mechanism).name == mechanism:
        from mechopt.study.compare.compare import mechanism_named

        return mechanism_named(environment, mechanism)
    return load_mechanism(mechanism, environment)


def _as_function(
    model: str, name: str, at: str, ic: str | None, ir: str | None, objective: str | None, subject_to: str | None
) -> tuple[Formula, Fraction]:
    """The optimum as a function of one parameter, the others as given, and where that one is now.

    Raises
    ------
    InputError
        If ``at`` gives no value to the parameter.
    """
    from mechopt.study.formula.find import formula

    given = {part.partition("=")[0].strip(): part.partition("=")[2].strip() for part in at.split(",")}
    if name not in given:
        raise InputError(f"--slider {name}: --at gives it no value; where does the slider begin?")
    others = ",".join(f"{other}={value}" for other, value in given.items() if other != name)
    asked = ["file" if part is None else part for part in (ic, ir)]
    with progress_shown("searching the formula") as progress:
        shown = None if progress is None else progress.pieces
        payments = "file" if subject_to is None else subject_to
        found = formula(
            model, asked[0], asked[1], objective, name, at=others or None, subject_to=payments, progress=shown
        )
    return found, Fraction(given[name])
