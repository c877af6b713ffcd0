"""`mechopt formula`: the optimum as a function of a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mechopt.cli.options import At, Goal, Ic, Ir, Json, SubjectTo, require_targets
from mechopt.core.errors import InputError
from mechopt.show.terminal.console import progress_shown, say, show_rows, show_table, tell

if TYPE_CHECKING:
    from mechopt.study.formula.formula import Formula
    from mechopt.study.formula.guarantee import GuaranteeFormula
    from mechopt.study.formula.horizons import Conjecture
    from mechopt.study.formula.ratio import Ratio


def formula(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="a model file with [parameters]")],
    ic: Ic = None,
    ir: Ir = None,
    subject_to: SubjectTo = None,
    objective: Goal = None,
    parameter: Annotated[str | None, typer.Option(metavar="NAME", help="which one, where there are several")] = None,
    at: At = None,
    latex: Annotated[bool, typer.Option("--latex", help="print LaTeX instead")] = False,
    share: Annotated[
        list[str] | None,
        typer.Option("--ratio", metavar="NAME", help="least share of the optimum of a closed form; may be repeated"),
    ] = None,
    mechanism: Annotated[
        str | None, typer.Option("--mechanism", metavar="POINT", help="the rules around a point, as functions")
    ] = None,
    over: Annotated[
        str | None, typer.Option("--horizons", metavar="1..6", help="formulas of several horizons, and their patterns")
    ] = None,
    across: Annotated[
        str | None,
        typer.Option(metavar="h=2,3,4,5", help="with --horizons: patterns across values of a second parameter"),
    ] = None,
    proof: Annotated[str | None, typer.Option(metavar="FILE", help="write the formula with its proof")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="draw it (png, svg, pdf)")] = None,
    report: Annotated[
        str | None, typer.Option(metavar="FILE.html", help="write a page with a slider that stays exact")
    ] = None,
    most_pieces: Annotated[int, typer.Option(min=1, help="stop after so many bases with what is known")] = 2000,
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="seconds for the search")] = None,
    as_json: Json = False,
) -> None:
    """Find and prove the optimum as a function of a parameter; exit status 3 where it was stopped early."""
    from mechopt.modelfile.parametric import kind_of
    from mechopt.show.figures.axes import picture_ending
    from mechopt.show.page.page import require_report
    from mechopt.show.terminal import output
    from mechopt.study.formula.find import FormulaInterrupted
    from mechopt.study.formula.find import formula as find
    from mechopt.study.formula.text import document, share_document

    if plot is not None:
        picture_ending(plot)
    require_targets(proof, plot)
    if report is not None:
        require_report(report)
    if across is not None and over is None:
        raise InputError("--across needs --horizons; write both")
    if kind_of(model) == "scenarios":
        if share or over or mechanism or report:
            what = "--ratio, --horizons, --mechanism and --report"
            raise InputError(f"of scenarios there is the best guarantee: leave out {what}, which are of an optimum")
        terms: dict[str, Any] = {"ic": ic or "file", "ir": ir or "file", "objective": objective, "at": at}
        terms["subject_to"] = "file" if subject_to is None else subject_to
        _guarantee(model, parameter, latex, proof, plot, as_json, most_pieces, time_limit, terms)
        return
    if over is not None:
        asked: dict[str, Any] = {
            "ic": ic or "file",
            "ir": ir or "file",
            "objective": objective,
            "at": at,
            "time_limit": time_limit,
        }
        asked["subject_to"] = "file" if subject_to is None else subject_to
        _show_horizons(model, over, across, parameter, as_json, asked)
        return
    with progress_shown("searching") as progress:
        try:
            found = find(
                model,
                "file" if ic is None else ic,
                "file" if ir is None else ir,
                objective,
                parameter,
                at=at,
                subject_to="file" if subject_to is None else subject_to,
                most_pieces=most_pieces,
                time_limit=time_limit,
                progress=None if progress is None else progress.pieces,
            )
        except FormulaInterrupted as stop:
            found = stop.formula
    if proof is not None:
        found.save(proof)
    if plot is not None:
        _draw(found, plot)
    if report is not None:
        _write_page(found, model, report)
    shares = [found.ratio(name) for name in share or ()] if not found.uncovered else []
    if as_json:
        listed = {"ratios": [share_document(one) for one in shares]} if shares else {}
        say(output.to_json(document(found) | listed))
    elif mechanism is not None:
        _show_rules(found, mechanism)
    elif latex:
        say(found.latex())
    else:
        _show(found, shares)
    if found.uncovered:
        reasons = {"time": "the time limit", "pieces": "--most-pieces", "interrupted": "Ctrl-C"}
        tell(f"stopped by {reasons[found.walk.stopped]}: {len(found.uncovered)} intervals are left")
        raise typer.Exit(3)


def _guarantee(
    model: str,
    parameter: str | None,
    latex: bool,
    proof: str | None,
    plot: str | None,
    as_json: bool,
    most_pieces: int,
    time_limit: float | None,
    terms: dict[str, Any],
) -> None:
    """The best guarantee over scenarios as a function."""
    from mechopt.show.terminal import output
    from mechopt.study.formula.guarantee import guarantee_formula
    from mechopt.study.formula.text import end_text, guarantee_document, payment_texts, rows

    with progress_shown("searching") as progress:
        shown = None if progress is None else progress.pieces
        found = guarantee_formula(
            model, parameter, most_pieces=most_pieces, time_limit=time_limit, progress=shown, **terms
        )
    if proof is not None:
        found.save(proof)
    if plot is not None:
        _draw(found, plot)
    if as_json:
        say(output.to_json(guarantee_document(found)))
    elif latex:
        say(found.latex())
    else:
        name = found.parameter
        show_table(["from", "to", found.objective, "", "bend at the end"], rows(found))
        facts = [("constraints", f"{output.names(found.terms.ic)} and {output.names(found.terms.ir)}")]
        if found.terms.subject_to:
            facts.append(("payments", ", ".join(payment_texts(found.terms.subject_to, name))))
        facts.append(("proved", f"yes, with the {len(found.optima)} optima" if found.proved else "no"))
        if not found.uncovered:
            word = "largest" if found.objective == "regret" else "least"
            least, places = getattr(found, word)
            where = " and ".join(end_text(place, name) for place in places[:2]) + " and elsewhere" * (len(places) > 2)
            facts.append((word, f"{end_text(least, 'y')} at {name} = {where}"))
        facts += [("not reached", f"{end_text(a, name)} to {end_text(b, name)}") for a, b in found.uncovered]
        show_rows(facts)
    if found.uncovered:
        tell(f"stopped: {len(found.uncovered)} intervals are left")
        raise typer.Exit(3)


def _show_rules(found: Formula, point: str) -> None:
    """The mechanism around a point: rules by state."""
    from mechopt.study.formula.rules import rule_rows

    name, piece = found.parameter, found.piece_at(point)
    rows = rule_rows(found.rules(point), name)
    say(f"around {name} = {point}, where the value is {piece.function.text(name)}:")
    show_table(["state", "when", "reports", "then", "pays", "next"], rows)


def _show(found: Formula, shares: list[Ratio]) -> None:
    from mechopt.show.terminal import output
    from mechopt.solve.parametric.pieces import open_ends
    from mechopt.study.formula.facts import direction_of
    from mechopt.study.formula.text import end_text, payment_texts, rows, share_text

    name = found.parameter
    show_table(["from", "to", f"{found.objective}", "", "bend at the end"], rows(found))
    facts = [
        ("constraints", f"{output.names(found.ic)} and {output.names(found.ir)}"),
        *([("payments", ", ".join(payment_texts(found.subject_to, name)))] if found.subject_to else []),
        *([(f"in {name}", direction_of(found.pieces))] if found.pieces else []),
        ("proved", _proved(found)),
        ("program", _program(found)),
        ("seconds", ", ".join(f"{key} {number:.3f}" for key, number in found.seconds.items())),
    ]
    apart = open_ends(found.walk.bases)
    for closed, intervals in found.equals.items():
        listed = [f"{float(a):.6g} {'<' if a in apart else '<='} {name} {'<' if b in apart else '<='} {float(b):.6g}"
                  for a, b in intervals]  # fmt: skip
        facts.append((f"is {closed}", f"for {', '.join(listed)}" if listed else "nowhere"))
    if found.regimes:
        listed = [f"{r.letter} from {end_text(r.start, name)} to {end_text(r.stop, name)}" for r in found.regimes]
        facts.append(("virtual pivot", f"regime {', '.join(listed)}"))
    facts += [(one.name, share_text(one, name)) for one in shares]
    for point, certificate in found.points.items():
        facts.append((f"at {name} = {point}", f"{certificate.value} (a point of its own, with its own certificate)"))
    for end in () if found.theorem is None else found.theorem.unproved:
        facts.append(("not proved", f"at {name} = {end_text(end, name)}"))
    for a, b in found.uncovered:
        facts.append(("not reached", f"{end_text(a, name)} to {end_text(b, name)}"))
    show_rows(facts)


def _show_horizons(
    model: str, over: str, across: str | None, parameter: str | None, as_json: bool, asked: dict[str, Any]
) -> None:
    """Line up the formulas of several horizons, and say what they have in common."""
    from mechopt.show.terminal import output
    from mechopt.study.formula.horizons import across_values, horizons, parse_across, parse_horizons
    from mechopt.study.formula.text import document, end_text

    listed = parse_horizons(over)
    if across is not None:
        second, values = parse_across(across)
        with progress_shown("searching"):
            found = across_values(model, listed, second, values, parameter=parameter, **asked)
        if as_json:
            say(output.to_json({"conjectures": [_conjecture(one) for one in found]}))
        else:
            for one in found:
                say(str(one))
        return
    with progress_shown("searching"):
        lined = horizons(model, listed, parameter=parameter, **asked)
    if as_json:
        plain: dict[str, Any] = {"formulas": {str(h): document(one) for h, one in lined.formulas.items()}}
        say(output.to_json(plain | {"conjectures": [_conjecture(one) for one in lined.conjectures]}))
        return
    rows = []
    for horizon, found_at in lined.formulas.items():
        name, pieces = found_at.parameter, found_at.pieces
        ends = f"first {pieces[0].function.text(name)} to {end_text(pieces[0].stop, name)}"
        degree = max(len(piece.numerator) + len(piece.denominator) - 2 for piece in pieces)
        rows.append([str(horizon), str(len(pieces)), str(degree), "yes" if found_at.proved else "no", ends])
    show_table(["T", "pieces", "degree", "proved", ""], rows)
    for end, having in lined.shared_ends.items():
        say(f"the same end at T = {', '.join(map(str, having))}: {end_text(end, name)}")
    for conjecture in lined.conjectures:
        say(str(conjecture))


def _conjecture(one: Conjecture) -> dict[str, Any]:
    pattern = one.pattern
    return {"about": one.about, "statement": one.statement, "fitted": pattern.fitted, "tested": pattern.tested}


def _program(found: Formula) -> str:
    program, orbits = found.program, ", on orbits of identical buyers" * found.program.orbits
    return f"{program.rows} rows, {program.columns} columns, {len(found.walk.bases)} bases{orbits}"


def _proved(found: Formula) -> str:
    if found.theorem is None:
        return "no"
    inside = f"for {found.model.start} < {found.parameter} < {found.model.stop}"
    return f"yes, {inside}, by primal and dual on {found.theorem.bases} intervals" + (
        " (but for what was not reached)" if found.uncovered else ""
    )


def _write_page(found: Formula, model: str, path: str) -> None:
    """Write the formula as a page, whole or not at all."""
    from mechopt.cli.options import command_line
    from mechopt.modelfile.parametric import text_and_name
    from mechopt.show.page.formula import formula_report
    from mechopt.show.page.page import write_report

    text, _ = text_and_name(model)
    write_report(formula_report(found, command=command_line(), model=text), path)


def _draw(found: Formula | GuaranteeFormula, path: str) -> None:
    """Write a picture of the formula, whole or not at all."""
    from mechopt.show.figures.axes import save_picture

    save_picture(found.plot, path)


def check_formula_file(model: str, file: str, at: str | None, as_json: bool) -> bool:
    """Prove the formula in a file anew, and say what was proved; whether there is one in it."""
    from mechopt.proof.formula.file import GuaranteeProof, holds_formula, load_formula
    from mechopt.show.terminal import output
    from mechopt.study.formula.find import check_formula
    from mechopt.study.formula.text import end_text, payment_texts

    if not holds_formula(file):
        return False
    proof = load_formula(file)
    theorem = check_formula(model, proof, at)
    name = proof.parameter
    if isinstance(proof, GuaranteeProof):
        what = {"ratio": "best guarantee", "weighted": "best weighted guarantee", "regret": "least regret"}
        about = f"the {what[proof.objective]} of a mechanism that does not know the future, under "
        about += f"{output.names(proof.ic)} and {output.names(proof.ir)}"
        if proof.benchmark != "same":
            about += ", against optima under dic and epir"
    else:
        about = f"the optimum of {proof.objective} under {output.names(proof.ic)} and {output.names(proof.ir)}"
    if proof.subject_to:
        about += f", payments subject to {', '.join(payment_texts(proof.subject_to, name))}"
    left = [f"{end_text(a, name)} to {end_text(b, name)}" for a, b in theorem.uncovered]
    document = {
        "proved": True,
        "statement": f"{about}, for {proof.start} < {name} < {proof.stop}",
        "fingerprint": proof.fingerprint,
        "pieces": len(theorem.pieces),
        "bases": theorem.bases,
        "points": {str(point): str(value) for point, value in theorem.points.items()},
        "unproved": [end_text(end, name) for end in theorem.unproved],
        "uncovered": left,
    }
    if as_json:
        say(output.to_json(document))
        return True
    say(f"proved: {document['statement']}: {len(theorem.pieces)} pieces by {theorem.bases} primal and dual pairs")
    rows = [(f"to {end_text(p.stop, name)}", p.value.text(name)) for p in theorem.pieces]
    rows += [(f"at {point}", f"{value}") for point, value in theorem.points.items()]
    rows += [("not proved", f"at {end_text(end, name)}") for end in theorem.unproved]
    rows += [("not proved", f"from {where}") for where in left]
    show_rows([*rows, ("model", proof.fingerprint)])
    return True
