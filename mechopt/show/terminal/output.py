"""Results as plain values for ``--json`` and as text for people; the keys are a contract with scripts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mechopt.core.errors import InputError
from mechopt.core.numbers import EXPECTED_TOLERANCE, recognise, to_exact, without_noise
from mechopt.core.printable import escaped_json

if TYPE_CHECKING:
    from mechopt.lp.independent.plan import Size
    from mechopt.mechanism.constraints import Constraint
    from mechopt.proof.certificate import Certificate, GuaranteeCertificate
    from mechopt.proof.promised.certificate import PromisedCertificate
    from mechopt.solve.result import Optimum
    from mechopt.study.compare.comparison import Comparison
    from mechopt.verification.verify import ConstraintCheck, Report

Plain = dict[str, Any]


def to_json(document: Any) -> str:
    """One JSON document; numbers that are not finite become null.

    Examples
    --------
    >>> print(to_json({"upper": float("inf")}))
    {
      "upper": null
    }
    """
    return escaped_json(json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def names(constraints: Iterable[Constraint]) -> str:
    """Constraints as on the command line."""
    return "+".join(constraint.name for constraint in constraints) or "none"


def solved(best: Optimum, report: Report | None, verify_seconds: float) -> Plain:
    """Keys of ``mechopt solve --json``."""
    from mechopt.mechanism.sequence import SequenceMechanism

    mechanism = best.mechanism
    amounts = [] if mechanism is None else [mechanism.revenue, mechanism.welfare, *mechanism.utilities]
    scale = max(map(abs, amounts), default=0.0)
    amounts = [without_noise(amount, scale) for amount in amounts]
    return {
        "value": without_noise(best.value, scale),
        **({"exact": str(best.exact)} if best.exact is not None else {}),
        **({"proved": str(best.status)} if best.certificate is not None and best.mechanism is None else {}),
        **_fractions(best),
        "bound": asdict(best.bound),
        "revenue": amounts[0] if amounts else None,
        "welfare": amounts[1] if amounts else None,
        "utilities": amounts[2:] if amounts else None,
        "status": str(best.status),
        "method": best.method,
        "form": best.form,
        "objective": str(best.objective),
        "constraints": {
            "ic": names(best.ic),
            "ir": names(best.ir),
            **({"subject_to": names(best.subject_to)} if best.subject_to else {}),
        },
        "size": {key: getattr(best.size, key) for key in ("rows", "columns", "nonzeros")},
        "seconds": {**best.seconds, "verify": verify_seconds},
        "verified": checks(report) if report is not None else {},
        "conflict": list(best.conflict),
        **({"limit": mechanism.limit} if isinstance(mechanism, SequenceMechanism) else {}),
    }


def _fractions(best: Optimum) -> Plain:
    """The bracket in fractions of a proof whose two ends do not meet."""
    from mechopt.proof.promised.certificate import PromisedCertificate

    if isinstance(proof := best.certificate, PromisedCertificate) and proof.value is None:
        return {"exact_bracket": [str(proof.lower), str(proof.upper)]}
    return {}


def checks(report: Report, counterexamples: bool = False) -> Plain:
    """``{name: {status, holds, gain, rounding, ...}}`` by constraint."""

    def one(check: ConstraintCheck) -> Plain:
        plain: Plain = {"status": str(check.status), "holds": check.holds, "gain": check.gain}
        plain["rounding"] = check.rounding
        if check.exact is not None:
            plain["exact"] = str(check.exact)
        if check.allowance is not None:
            plain["epsilon"] = check.allowance
        if check.strategy_gain is not None:
            plain["strategy_gain"] = check.strategy_gain
        if counterexamples:
            plain["counterexample"] = check.counterexample.to_dict() if check.counterexample else None
        return plain

    return {constraint.name: one(check) for constraint, check in report.items()}


def compared(comparison: Comparison) -> Plain:
    """Keys of ``mechopt compare --json``."""
    from mechopt.verification.verify import checked

    best, rows = comparison.optimum, []
    report = None if best is None else checked(best.mechanism, best.size.histories)
    for entry in comparison.entries:
        row = {key: getattr(entry, key) for key in ("name", "revenue", "welfare", "ratio", "static_ratio")}
        row |= {"utilities": list(entry.utilities), "computed": entry.computed, "revenue_error": entry.revenue_error}
        row["constraints"] = checks(entry.report, counterexamples=True) if entry.report is not None else {}
        row["conditions"] = None if entry.conditions is None else {k: c.holds for k, c in entry.conditions.items()}
        row["claims"] = [constraint.name for constraint in entry.claims]
        row["guarantee"] = None if entry.guarantee is None else float(entry.guarantee)
        if entry.proved_revenue is not None:
            row["proved_revenue"] = entry.proved_revenue
        if entry.largest_transfer is not None:
            row |= {key: getattr(entry, key) for key in ("largest_transfer", "deficit", "rests_on")}
        rows.append({**row, "source": entry.source, "non_clairvoyant": entry.non_clairvoyant})
    return {
        "optimum": None if best is None else solved(best, report, 0.0),
        "static_revenue": comparison.static_revenue,
        "mechanisms": rows,
        "skipped": comparison.skipped,
    }


def proved(title: str, proof: Certificate | GuaranteeCertificate | PromisedCertificate) -> Plain:
    """Keys of ``mechopt certificate check --json``: what was proved, and about what."""
    from mechopt.mechanism.constraints import EPIR
    from mechopt.proof.certificate import Certificate
    from mechopt.proof.promised.certificate import PromisedCertificate
    from mechopt.proof.words import goal, statement

    ir: tuple[Constraint, ...] = (EPIR(),)
    form, status = "scenarios", "optimal"
    payments = proof.subject_to if isinstance(proof, Certificate) else ()
    if isinstance(proof, Certificate):
        ir, form, status = proof.ir, proof.form, proof.status
    elif isinstance(proof, PromisedCertificate):
        ir, form = proof.ir, "promises"
    else:
        ir, payments = proof.ir, proof.subject_to
    bracket = [str(proof.lower), str(proof.upper)] if isinstance(proof, PromisedCertificate) else []
    return {
        "proved": True,
        "statement": statement(proof),
        "model": title,
        "fingerprint": proof.fingerprint,
        "objective": goal(proof),
        "constraints": {
            "ic": [constraint.name for constraint in proof.ic],
            "ir": [constraint.name for constraint in ir],
            **({"subject_to": [c.name for c in payments]} if payments else {}),
        },
        "form": form,
        "status": status,
        "value": None if proof.value is None else float(proof.value),
        "exact": None if proof.value is None else str(proof.value),
        **({"exact_bracket": bracket} if bracket and proof.value is None else {}),
    }


def proved_rows(document: Plain) -> list[tuple[str, str]]:
    """Rows of ``mechopt certificate check`` for people, behind its sentence: (label, text)."""
    kept = document["constraints"]
    without = "none: no mechanism satisfies all of this" if document["status"] == "infeasible" else "no bound"
    return [
        *title_rows(document["model"]),
        ("fingerprint", document["fingerprint"]),
        ("objective", document["objective"]),
        ("incentive", ", ".join(kept["ic"]) or "NONE"),
        ("participation", ", ".join(kept["ir"]) or "NONE"),
        *([("payments", ", ".join(kept["subject_to"]))] if "subject_to" in kept else []),
        ("form", document["form"]),
        ("value", document["exact"] or " to ".join(document.get("exact_bracket", [without]))),
    ]


def model_size(environment: Any) -> str:
    """Kind, number of agents and of periods of a model, for a table."""
    if environment.kind == "scenarios":
        return f"scenarios, {len(environment)}"
    agents, periods = environment.agents, environment.horizon
    who = f"{agents} agent{'s' * (agents != 1)}"
    how_long = "infinite horizon" if periods == "infinite" else f"{periods} period{'s' * (periods != 1)}"
    return f"{environment.kind}, {who}, {how_long}"


def title_rows(title: str) -> list[tuple[str, str]]:
    """The model's title, where it has one."""
    return [("model", title)] if title else []


def effort_rows(document: Plain, method: str) -> list[tuple[str, str]]:
    """Size, method and seconds."""
    size = document["size"]
    program = f"{size['rows']:,} rows, {size['columns']:,} columns, {size['nonzeros']:,} non-zeros"
    return [
        *([("program", program)] if size["columns"] else []),  # dynamic programs have none
        ("method", method),
        ("seconds", ", ".join(f"{name} {value:.3f}" for name, value in document["seconds"].items())),
    ]


def sizes(size: Size, form: str) -> Plain:
    """Keys of ``mechopt size --json``; counts above 10^18 as floats, above the largest float as null."""

    def count(number: int) -> int | float:
        return number if number < 10**18 else float(number) if number < 10**308 else math.inf

    return {key: count(value) for key, value in asdict(size).items()} | {"form": form}


def compared_table(comparison: Comparison) -> tuple[list[str], list[list[str]], list[tuple[str, str]]]:
    """Table of ``mechopt compare`` for people: header and rows of mechanisms, and bounds on all of them.

    Columns in which nothing is known of any mechanism are left out.
    """
    from mechopt.study.compare.comparison import UNCHECKED

    header, rows = comparison.cells()
    bounds = {entry.name for entry in comparison.entries if entry.computed == "bound"}
    listed = [row for row in rows if row[0] not in bounds]
    kept = [
        k
        for k, name in enumerate(header)
        if name != "satisfies" and (name in ("mechanism", "violates") or any(row[k] for row in listed))
    ]
    kinds, violated = header.index("satisfies"), header.index("violates")
    for row in listed:
        row[violated] = row[violated] or (UNCHECKED if row[kinds] == UNCHECKED else "")
    told = [[row[k] for k in kept] for row in listed]
    return [header[k] for k in kept], told, [(row[0], row[1]) for row in rows if row[0] in bounds]


def with_fraction(value: float) -> str:
    """A number, and the simple fraction that it looks like.

    Examples
    --------
    >>> with_fraction(4.78125)
    '4.78125 (looks like 153/32)'
    """
    fraction = recognise(value)
    text = f"{value:.12g}"
    return text if fraction is None or fraction.denominator == 1 else f"{text} (looks like {fraction})"


def solved_rows(title: str, document: Plain) -> list[tuple[str, str]]:
    """Rows of ``mechopt solve`` for people: (label, text)."""
    bound = document["bound"]
    kept, rows = document["constraints"], title_rows(title)
    paid = f", payments {kept['subject_to']}" if "subject_to" in kept else ""
    rows += [
        ("objective", f"{document['objective']} under {kept['ic']} and {kept['ir']}{paid}"),
        ("status", document["status"] + (" (proved)" if "proved" in document else "")),
        ("value", f"{document['value']:.12g}" if "exact" in document else with_fraction(document["value"])),
        *([("exact", f"{document['exact']} (proved)")] if "exact" in document else []),
        *(
            [("exact", "the two ends of the proof do not meet; " + " <= optimum <= ".join(document["exact_bracket"]))]
            if "exact_bracket" in document
            else []
        ),
        ("bracket", f"{bound['lower']:.12g} <= optimum <= {bound['upper']:.12g}"),
    ]
    if document["welfare"] is not None:
        rows += [
            ("revenue", f"{document['revenue'] + 0.0:.12g}"),
            ("welfare", f"{document['welfare'] + 0.0:.12g}"),
            ("utilities", ", ".join(f"{u + 0.0:.6g}" for u in document["utilities"])),
        ]
    rows += [(f"verified {name}", verdict(check)) for name, check in document["verified"].items()]
    for name in ("adjacent", "downward"):
        gain = document["verified"].get(name, {}).get("strategy_gain") or 0.0
        if gain > 1e-6 * abs(document["value"]) and "epsilon" not in document["verified"][name]:
            rows.append(
                ("diagnosis", f"{name} misreports gain nothing, but a strategy gains {gain:.6g}: no Bayesian IC")
            )
    rows += [("conflict", line) for line in document["conflict"]]
    if document.get("limit"):
        rows.append(("payments", "a limit: some are due at histories that the mechanism never comes to"))
    return [*rows, *effort_rows(document, f"{document['method']}, {document['form']} form")]


def verdict(check: Plain) -> str:
    """One constraint's check in words."""
    status = check["status"] if check["holds"] else check["status"].upper()
    bound = f", rounding {check['rounding']:.2g}" if check["status"] == "undecided" else ""
    allowed = check.get("epsilon")
    sign = "<=" if check["holds"] else ">" if check["status"] == "violated" else "against"
    within = "" if allowed is None else f" {sign} epsilon {allowed:.6g}"
    return f"{status} (largest gain {check['gain']:{'.2g' if allowed is None else '.6g'}}{within}{bound})"


def unsatisfied(report: Report, exact: bool) -> str:
    """Sentence on violated and undecided constraints, with what to try; exact checks leave nothing open."""
    words = [f"violated: {', '.join(report.violated)}"] if report.violated else []
    if report.undecided:
        words.append(
            f"undecided: {', '.join(report.undecided)} (rounding is larger than what is left of the tolerance"
            + ("" if exact else "; try --exact, which decides in fractions")
            + ")"
        )
    return "; ".join(words)


def size_rows(size: Size, form: str) -> list[tuple[str, str]]:
    """Rows of ``mechopt size`` for people."""
    from mechopt.solve.limits import approximately

    return [(key, approximately(value)) for key, value in asdict(size).items()] + [("form", form)]


def compare_expected(document: Plain, expected: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """Compare results with a model file's ``[expected]``.

    Parameters
    ----------
    document : dict
        Output of a command.
    expected : mapping
        By dotted key; numbers within `EXPECTED_TOLERANCE` relative to max(1, size), everything else equal.

    Returns
    -------
    kept, missed, absent : lists of str
        Lines in words; ``absent`` are the keys that this command's output does not have.

    Raises
    ------
    InputError
        If an expected value is not a number, text or truth value.
    """
    kept: list[str] = []
    missed: list[str] = []
    absent: list[str] = []
    for key, wanted in expected.items():
        try:
            found = _at(document, key)
        except (LookupError, ValueError, TypeError):
            absent.append(key)
            continue
        number = _as_number(wanted, found, key)
        if number is None:
            agrees, shown = found == wanted, repr(wanted)
        else:
            close = EXPECTED_TOLERANCE * max(1.0, abs(float(number)))
            agrees = isinstance(found, (int, float)) and abs(found - float(number)) <= close
            shown = wanted if isinstance(wanted, str) else f"{float(number):.15g}"
        (kept if agrees else missed).append(f"{key}: expected {shown}, found {found!r}")
    return kept, missed, absent


def _at(document: Any, key: str) -> Any:
    for part in key.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _as_number(wanted: Any, found: Any, key: str) -> Fraction | None:
    """An expected number, exact; None where text or a truth value is expected."""
    if isinstance(wanted, bool) or (isinstance(wanted, str) and isinstance(found, str)):
        return None
    try:
        return to_exact(wanted)
    except ValueError as error:
        raise InputError(f"expected.{key}: {error}") from None
