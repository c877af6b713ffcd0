"""Results as plain values for ``--json`` and as text for people; the keys are a contract with scripts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from mechopt.core.errors import InputError
from mechopt.core.numbers import EXPECTED_TOLERANCE, recognise, to_exact
from mechopt.lp.choose import AnyPlan
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.notions import Notion
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.proof.promised_certificate import PromisedCertificate
from mechopt.solve.found import Optimum
from mechopt.solve.limits import approximately
from mechopt.solve.maximin import Maximin
from mechopt.study.compare import MAX_CHECKED_HISTORIES
from mechopt.study.comparison import Comparison
from mechopt.verify.check import NotionCheck, Report, verify

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
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def names(notions: Iterable[Notion]) -> str:
    """Notions as on the command line."""
    return "+".join(notion.name for notion in notions) or "none"


def solved(best: Optimum, report: Report | None, verify_seconds: float) -> Plain:
    """Keys of ``mechopt solve --json``."""
    mechanism = best.mechanism
    return {
        "value": best.value,
        **({"exact": str(best.exact)} if best.exact is not None else {}),
        **_fractions(best),
        "bound": asdict(best.bound),
        "revenue": mechanism.revenue if mechanism else None,
        "welfare": mechanism.welfare if mechanism else None,
        "utilities": list(mechanism.utilities) if mechanism else None,
        "status": str(best.status),
        "method": best.method,
        "form": best.form,
        "objective": str(best.objective),
        "notions": {"ic": names(best.ic), "ir": names(best.ir)},
        "size": {key: getattr(best.size, key) for key in ("rows", "columns", "nonzeros")},
        "seconds": {**best.seconds, "verify": verify_seconds},
        "verified": checks(report) if report is not None else {},
        "conflict": list(best.conflict),
        **({"limit": mechanism.limit} if isinstance(mechanism, SequenceMechanism) else {}),
    }


def _fractions(best: Optimum) -> Plain:
    """The bracket in fractions of a proof whose two ends do not meet."""
    proof = best.certificate
    if not isinstance(proof, PromisedCertificate) or proof.value is not None:
        return {}
    return {"exact_bracket": [str(proof.lower), str(proof.upper)]}


def checked(best: Optimum) -> Report | None:
    """Verify the optimal mechanism, if it claims notions and has few enough histories to check them all."""
    mechanism = best.mechanism
    if mechanism is None or not mechanism.notions:
        return None
    if not isinstance(mechanism, Mechanism) and best.size.histories > MAX_CHECKED_HISTORIES:
        return None
    return verify(mechanism, mechanism.notions)


def checks(report: Report, counterexamples: bool = False) -> Plain:
    """``{name: {holds, gain, ...}}`` by notion."""

    def one(check: NotionCheck) -> Plain:
        plain: Plain = {"holds": check.holds, "gain": check.gain}
        if check.strategy_gain is not None:
            plain["strategy_gain"] = check.strategy_gain
        if counterexamples:
            plain["counterexample"] = check.counterexample.to_dict() if check.counterexample else None
        return plain

    return {notion.name: one(check) for notion, check in report.items()}


def compared(comparison: Comparison) -> Plain:
    """Keys of ``mechopt compare --json``."""
    best, rows = comparison.optimum, []
    report = None if best is None else checked(best)
    for entry in comparison.entries:
        row = {key: getattr(entry, key) for key in ("name", "revenue", "welfare", "ratio", "static_ratio")}
        row |= {"utilities": list(entry.utilities), "computed": entry.computed, "revenue_error": entry.revenue_error}
        row["notions"] = checks(entry.report, counterexamples=True) if entry.report is not None else {}
        row["claims"] = [notion.name for notion in entry.claims]
        row["guarantee"] = None if entry.guarantee is None else float(entry.guarantee)
        rows.append({**row, "source": entry.source})
    return {
        "optimum": None if best is None else solved(best, report, 0.0),
        "static_revenue": comparison.static_revenue,
        "mechanisms": rows,
        "skipped": comparison.skipped,
    }


def guaranteed(best: Maximin, reports: Iterable[Report], verify_seconds: float) -> Plain:
    """Keys of ``mechopt maximin --json``."""
    rows = zip(best.scenarios.names, best.revenues, best.optima, best.ratios, reports, strict=True)
    return {
        "ratio": best.ratio,
        "bound": asdict(best.bound),
        "scenarios": [
            {"name": name, "revenue": revenue, "optimum": optimum, "ratio": ratio, "verified": checks(report)}
            for name, revenue, optimum, ratio, report in rows
        ],
        "status": str(best.status),
        "method": best.method,
        "size": {key: getattr(best.size, key) for key in ("rows", "columns", "nonzeros")},
        "seconds": {**best.seconds, "verify": verify_seconds},
    }


def title_rows(title: str) -> list[tuple[str, str]]:
    """The model's title, where it has one."""
    return [("model", title)] if title else []


def guaranteed_rows(title: str, document: Plain) -> list[tuple[str, str]]:
    """What ``mechopt maximin`` tells people: (label, text)."""
    bound = document["bound"]
    rows = title_rows(title)
    rows += [
        ("status", document["status"]),
        ("guarantee", with_fraction(document["ratio"])),
        ("bracket", f"{bound['lower']:.12g} <= best guarantee <= {bound['upper']:.12g}"),
    ]
    for entry in document["scenarios"]:
        words = f"revenue {entry['revenue']:.9g} of {entry['optimum']:.9g}, ratio {with_fraction(entry['ratio'])}"
        broken = [f"{name} {verdict(check)}" for name, check in entry["verified"].items() if not check["holds"]]
        rows.append((f"scenario {entry['name']}", "; ".join([words, *broken])))
    return [*rows, *_effort_rows(document, document["method"])]


def _effort_rows(document: Plain, method: str) -> list[tuple[str, str]]:
    """Size, method and seconds."""
    size = document["size"]
    program = f"{size['rows']:,} rows, {size['columns']:,} columns, {size['nonzeros']:,} non-zeros"
    return [
        *([("program", program)] if size["columns"] else []),  # dynamic programs have none
        ("method", method),
        ("seconds", ", ".join(f"{name} {value:.3f}" for name, value in document["seconds"].items())),
    ]


def sizes(chosen: AnyPlan) -> Plain:
    """Keys of ``mechopt size --json``; counts above 10^18 as floats, above the largest float as null."""

    def count(number: int) -> int | float:
        if number < 10**18:
            return number
        return float(number) if number < 10**308 else math.inf

    return {key: count(value) for key, value in asdict(chosen.size).items()} | {"form": chosen.form}


def compared_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """What ``mechopt compare`` tells people: header and rows."""
    header, rows = comparison.cells()
    return header[:6] + header[7:], [row[:6] + row[7:] for row in rows]


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
    """What ``mechopt solve`` tells people: (label, text)."""
    bound = document["bound"]
    rows = title_rows(title)
    rows += [
        ("objective", f"{document['objective']} under {document['notions']['ic']} and {document['notions']['ir']}"),
        ("status", document["status"]),
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
            ("revenue", f"{document['revenue']:.12g}"),
            ("welfare", f"{document['welfare']:.12g}"),
            ("utilities", ", ".join(f"{u:.6g}" for u in document["utilities"])),
        ]
    rows += [(f"verified {name}", verdict(check)) for name, check in document["verified"].items()]
    for name in ("adjacent", "downward"):
        gain = document["verified"].get(name, {}).get("strategy_gain") or 0.0
        if gain > 1e-6 * max(1.0, abs(document["value"])):
            rows.append(
                ("diagnosis", f"{name} misreports gain nothing, but a strategy gains {gain:.6g}: no Bayesian IC")
            )
    rows += [("conflict", line) for line in document["conflict"]]
    if document.get("limit"):
        rows.append(("payments", "a limit: some are due at histories that the mechanism never comes to"))
    return [*rows, *_effort_rows(document, f"{document['method']}, {document['form']} form")]


def verdict(check: Plain) -> str:
    """One notion's check in words."""
    return f"{'holds' if check['holds'] else 'FAILS'} (largest gain {check['gain']:.2g})"


def size_rows(chosen: AnyPlan) -> list[tuple[str, str]]:
    """What ``mechopt size`` tells people."""
    return [(key, approximately(value)) for key, value in asdict(chosen.size).items()] + [("form", chosen.form)]


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
        If an expected value is no number, text or truth value.
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
