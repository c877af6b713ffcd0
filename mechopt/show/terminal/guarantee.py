"""Output of ``mechopt maximin``: for scripts and for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mechopt.show.terminal.output import Plain, checks, effort_rows, title_rows, verdict, with_fraction

if TYPE_CHECKING:
    from mechopt.proof.certificate import GuaranteeCertificate
    from mechopt.solve.maximin import Maximin
    from mechopt.verification.scenarios.check import ScenariosReport


def guaranteed(
    best: Maximin,
    verified: ScenariosReport,
    verify_seconds: float,
    proof: GuaranteeCertificate | None = None,
) -> Plain:
    """Keys of ``mechopt maximin --json``."""
    reports = verified.scenarios.values()
    rows = zip(best.scenarios.names, best.revenues, best.optima, best.ratios, reports, strict=True)
    return {
        "objective": best.objective,
        "value": best.value,
        **({} if proof is None else {"exact": str(proof.value)}),
        "ratio": best.ratio,
        "bound": asdict(best.bound),
        "constraints": {
            "ic": [constraint.name for constraint in best.terms.ic],
            "ir": [constraint.name for constraint in best.terms.ir],
            "subject_to": [constraint.name for constraint in best.terms.subject_to],
        },
        "benchmark": best.terms.benchmark,
        "scenarios": [
            {"name": name, "revenue": revenue, "optimum": optimum, "ratio": ratio, "verified": checks(report)}
            | ({"absorbing": True} if best.scenarios.absorbs(s) else {})
            for s, (name, revenue, optimum, ratio, report) in enumerate(rows)
        ],
        "non_clairvoyant": checks(verified, counterexamples=True)["non-clairvoyant"],
        "status": str(best.status),
        "method": best.method,
        "size": {key: getattr(best.size, key) for key in ("rows", "columns", "nonzeros")},
        "seconds": {**best.seconds, "verify": verify_seconds},
    }


def guaranteed_rows(title: str, document: Plain) -> list[tuple[str, str]]:
    """Rows of ``mechopt maximin`` for people: (label, text)."""
    bound = document["bound"]
    noun = {"ratio": "guarantee", "weighted": "weighted ratio", "regret": "regret"}[document["objective"]]
    rows = title_rows(title)
    rows += [
        ("status", document["status"]),
        (noun, with_fraction(document["value"])),
        ("bracket", f"{bound['lower']:.12g} <= best {noun} <= {bound['upper']:.12g}"),
    ]
    for entry in document["scenarios"]:
        words = f"revenue {entry['revenue']:.9g} of {entry['optimum']:.9g}, ratio {with_fraction(entry['ratio'])}"
        words = words.replace("revenue", "surplus", 1) if "absorbing" in entry else words
        broken = [f"{name} {verdict(check)}" for name, check in entry["verified"].items() if not check["holds"]]
        rows.append((f"scenario {entry['name']}", "; ".join([words, *broken])))
    if "exact" in document:
        rows.append((f"exact {noun}", f"{document['exact']} (proved)"))
    told = document["non_clairvoyant"]
    rows.append(("non-clairvoyant", told["status"]))
    return [*rows, *effort_rows(document, document["method"])]
