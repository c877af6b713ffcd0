"""An explanation as plain values; the keys are a contract with scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mechopt.show.explain.explanation import Explanation
from mechopt.show.explain.policies.explanation import PolicyExplanation


def explained(found: Explanation | PolicyExplanation, title: str = "") -> dict[str, Any]:
    """Keys of ``mechopt show --json``.

    Parameters
    ----------
    found : Explanation or PolicyExplanation
    title : str
        Of the model.
    """
    if isinstance(found, PolicyExplanation):
        return _tables(found, title)
    return {
        "model": title,
        "value": found.value,
        **({"exact": str(found.exact)} if found.exact is not None else {}),
        "goal": found.goal,
        "agents": list(found.agents),
        "histories": found.histories,
        "payments": found.payments,
        "memory": found.memory,
        "shares": [{"memory": s.memory, "share": s.share, "value": s.value, "enough": s.enough} for s in found.shares],
        "lotteries": None if found.lotteries is None else asdict(found.lotteries),
        "structures": list(found.structures),
        "verified": {n.name: str(c.status) for n, c in found.report.items()} if found.report is not None else {},
        "note": found.note,
        "states": [
            {
                "state": state.name,
                "words": state.words,
                "periods": list(state.periods),
                "histories": state.histories,
                "rules": [
                    {
                        "reports": rule.reports,
                        "then": rule.then,
                        "payments": list(rule.payments),
                        **({"exact": [str(paid) for paid in rule.exact]} if rule.exact is not None else {}),
                        "next": list(rule.next),
                    }
                    for rule in state.rules
                ],
            }
            for state in found.states
        ],
        "likeliest": [{"probability": chance, "history": words} for chance, words in found.likeliest()],
    }


def _tables(found: PolicyExplanation, title: str) -> dict[str, Any]:
    """Keys where the tables are explained; payments are ranges."""
    return {
        "model": title,
        "value": found.value,
        **({"exact": str(found.exact)} if found.exact is not None else {}),
        "goal": found.goal,
        "agents": list(found.agents),
        "entries": found.tables.entries,
        "exactly": found.exactly,
        "structures": list(found.structures),
        "verified": {n.name: str(c.status) for n, c in found.report.items()} if found.report is not None else {},
        "note": found.note,
        "states": [
            {
                "state": state.name,
                "words": state.words,
                "when": state.when,
                "entries": state.entries,
                "share": state.share,
                "rules": [
                    {
                        "reports": rule.reports,
                        "then": rule.then,
                        "lowest": list(rule.lowest),
                        "highest": list(rule.highest),
                        "next": list(rule.next),
                    }
                    for rule in state.rules
                ],
            }
            for state in found.states
        ],
    }
