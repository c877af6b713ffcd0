"""The worst tree of a search as a model file, with what ``mechopt maximin --check`` finds there, and its proof."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError
from mechopt.environment.scenarios import Scenarios
from mechopt.modelfile.writing import model_text
from mechopt.proof.certificate import GuaranteeCertificate
from mechopt.solve.exact.guarantee import certify_guarantee
from mechopt.study.sweep.key_paths import Tables


def scenario_tables(scenarios: Scenarios) -> Tables:
    """Tables of the model file of scenarios of one buyer.

    Examples
    --------
    >>> coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> scenario_tables(Scenarios([coin], [["a"]]))["scenarios"]
    [{'sequence': ['a']}]
    """
    distributions = []
    for name, one in scenarios.distributions.items():
        if one.exact is None or scenarios.agents > 1:
            raise InputError("a tree of one buyer with exact numbers is written; this one is not")
        values, probabilities = map(list, one.exact)
        distributions.append({"name": name, "values": values, "probabilities": probabilities})
    named = {name: ", ".join(sequence) for name, sequence in scenarios.scenarios.items()}
    listed = [
        {"sequence": list(sequence), **({} if name == named[name] else {"name": name})}
        for name, sequence in scenarios.scenarios.items()
    ]
    cost: dict[str, Any] = {"cost": dict(scenarios.cost)} if any(scenarios.cost.values()) else {}
    common: dict[str, Any] = {"kind": scenarios.kind, "discount": scenarios.discount}
    if scenarios.absorbing:
        common["absorbing"] = list(scenarios.absorbing)
    return {**common, "distributions": distributions, "scenarios": listed, **cost}


def write_tree(
    path: str | Path, proof: str | Path, scenarios: Scenarios, title: str, source: str, header: Sequence[str]
) -> GuaranteeCertificate:
    """Write a tree, its best guarantee as what is expected, and the proof beside it.

    Parameters
    ----------
    path, proof : paths
    scenarios : Scenarios
    title, source : str
    header : sequence of str
        Lines of a comment: how it was found.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    require_target(path)
    require_target(proof)
    certificate = certify_guarantee(scenarios)
    tables = {"title": title, "source": source, **scenario_tables(scenarios)}
    expected = f'\n[expected]\nratio = "{certificate.value}"\n'
    text = model_text(tables, header) + expected
    write_atomically(path, lambda file: _write(file, text))
    certificate.save(proof)
    return certificate


def _write(file: Any, text: str) -> None:
    file.write(text.encode())
