"""The worst instance of a study as a model file that ``mechopt compare --check`` confirms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.modelfile.loading import KINDS, parse
from mechopt.modelfile.writing import model_text
from mechopt.study.compare.compare import compare
from mechopt.study.sweep.key_paths import Tables
from mechopt.study.sweep.point import Recording

DIGITS = 12


def independent_tables(environment: IndependentTypes) -> Tables:
    """Tables of the model file of repeated sale, one table a buyer and period.

    Examples
    --------
    >>> independent_tables(IndependentTypes([[[1, 2]]], [[["1/2", "1/2"]]]))["buyers"]
    [{'periods': [{'values': [Fraction(1, 1), Fraction(2, 1)], 'probabilities': [Fraction(1, 2), Fraction(1, 2)]}]}]
    """
    exact = environment.exact
    if exact is None:
        raise InputError("the instance is known in floats only; give its numbers as fractions")
    buyers = [
        {"periods": [{"values": list(v), "probabilities": list(p)} for v, p in zip(values, distributions, strict=True)]}
        for values, distributions in zip(exact.values, exact.probabilities, strict=True)
    ]
    common = {"horizon": environment.horizon, "discount": exact.discount, "cost": list(exact.cost)}
    return {"kind": environment.kind, **common, "buyers": buyers}


def write_worst(
    path: str | Path,
    tables: Tables,
    mechanism: str,
    recording: Recording,
    title: str,
    source: str,
    header: Sequence[str],
) -> float:
    """Write an instance with what ``mechopt compare`` is to find there, and give the mechanism's ratio.

    Parameters
    ----------
    path : path
    tables : dict
        Of the model.
    mechanism : str
        Whose ratio is small there.
    recording : Recording
        Its constraints are written down as those of the model.
    title, source : str
    header : sequence of str
        Lines of a comment: how it was found.

    Raises
    ------
    InputError
        If the mechanism does not fit, or the file cannot be written.
    """
    require_target(path)
    tables = {"title": title, "source": source, **tables}
    constraints = {key: value for key, value in (("ic", recording.ic), ("ir", recording.ir)) if value is not None}
    if constraints and "solve" in KINDS[tables["kind"]].model_fields:
        tables["solve"] = tables.get("solve", {}) | constraints
    model = parse(model_text(tables), str(path))
    environment: Any = model.environment
    table = compare(environment, None, model.ic, model.ir)
    entry = table[mechanism]
    at = f"mechanisms.{table.entries.index(entry)}"
    lines = ["", "[expected]", *([f"optimum.value = {_digits(table.optimum.value)}"] if table.optimum else [])]
    lines += [f'{at}.name = "{mechanism}"', f"{at}.ratio = {_digits(entry.ratio)}"]
    text = model_text(tables, header) + "\n".join(lines) + "\n"
    write_atomically(path, lambda file: _write(file, text))
    return entry.ratio


def _digits(number: float) -> str:
    """So many that what is read back lies within the tolerance of ``--check``."""
    return f"{number:.{DIGITS}g}"


def _write(file: Any, text: str) -> None:
    file.write(text.encode())
