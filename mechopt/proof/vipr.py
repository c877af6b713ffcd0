"""Proofs in the VIPR format, so that checkers that are not ours can check the program and its optimum.

The program is the one that the stand-alone checker rebuilds. A file proves ``RTP range v v`` for its value v without
the objective's constant (given in a comment, as the format has none): ``SOL`` holds the optimal primal, and ``DER``
derives objective <= v as one linear combination of rows and bounds. Bounds of columns are the first constraints. A row
with two different sides becomes two constraints. Where the objective has no bound, the direction that proves it does
not fit the format, and the export is refused.

Source: Cheung, Gleixner and Steffy (2017), Verifying integer programming results; file format version 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import IO, Any

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError, require_type
from mechopt.proof.certificate import Certificate, GuaranteeCertificate
from mechopt.proof.check import AnyModel, rebuilt
from mechopt.proof.rows import Entries, Number
from mechopt.proof.words import statement


@dataclass
class _Constraints:
    """Constraints in the order of the file, and the multiplier of each that is pressed on."""

    lines: list[str] = field(default_factory=list)
    multipliers: list[tuple[int, Number]] = field(default_factory=list)

    def add(self, name: str, sense: str, side: Number, entries: str, multiplier: Number) -> None:
        """Append a constraint; ``multiplier`` weighs it in the derivation of the bound."""
        if multiplier:
            self.multipliers.append((len(self.lines), multiplier))
        self.lines.append(f"{name} {sense} {side} {entries}")


def write_vipr(
    environment: Any, certificate: Certificate | GuaranteeCertificate, path: str | Path, title: str = "a model"
) -> None:
    """Write a certificate that `check_certificate` has proved as a VIPR file, whole or not at all.

    Parameters
    ----------
    environment : environment of any kind, or Scenarios
        That the certificate is about.
    certificate : Certificate or GuaranteeCertificate
    path : path
    title : str
        Of the model, for the comment.

    Raises
    ------
    InputError
        If the certificate is not of an optimum, or the file cannot be written.
    """
    require_type(
        certificate,
        ("Certificate", "GuaranteeCertificate"),
        "write_vipr",
        "give best.certificate of mo.optimum(env, exact=True)",
    )
    require_type(path, (str, PathLike), "write_vipr", "give a file")
    if certificate.value is None:
        raise InputError(
            "only proofs of optima are written as VIPR, not that there is no bound or no mechanism; check this one "
            "with `certificate check`"
        )
    model = rebuilt(environment, certificate)
    written = "".join(f"{line}\n" for line in _lines(model, certificate, title)).encode()

    def write(file: IO[bytes]) -> None:
        file.write(written)

    write_atomically(path, write)


def _lines(model: AnyModel, certificate: Certificate | GuaranteeCertificate, title: str) -> Iterator[str]:
    multipliers = certificate.dual.entries
    reduced: list[Number] = list(model.cost)
    rows: list[Any] = list(model.rows())
    for number, weight in multipliers.items():
        for column, coefficient in rows[number].entries:
            reduced[column] -= weight * coefficient
    constraints = _Constraints()
    for column in range(model.columns):
        for name, sense, side, multiplier in (
            ("lower", "G", model.lower[column], min(reduced[column], 0)),
            ("upper", "L", model.upper[column], max(reduced[column], 0)),
        ):
            if side is not None:
                constraints.add(f"{name}{column}", sense, side, f"1 {column} 1", multiplier)
    bounds = len(constraints.lines)
    for number, row in enumerate(rows):
        entries, weight = _sparse(_merged(row.entries)), multipliers.get(number, Fraction(0))
        if row.lower is not None and row.lower == row.upper:
            constraints.add(f"row{number}", "E", row.lower, entries, weight)
            continue
        if row.lower is not None:
            constraints.add(f"row{number}lower", "G", row.lower, entries, min(weight, Fraction(0)))
        if row.upper is not None:
            constraints.add(f"row{number}upper", "L", row.upper, entries, max(weight, Fraction(0)))
    sign = -1 if isinstance(certificate, GuaranteeCertificate) and certificate.objective == "regret" else 1
    value = sign * (certificate.value or Fraction(0)) - model.offset
    yield f"% {_comment(title)}: {statement(certificate)}"
    yield f"% environment {certificate.fingerprint}"
    yield f"% the objective here leaves out the constant {model.offset}; with it the value is {certificate.value}"
    yield "VER 1.0"
    yield f"VAR {model.columns}"
    yield from (f"x{column}" for column in range(model.columns))
    yield "INT 0"
    yield "OBJ max"
    yield _sparse({column: number for column, number in enumerate(model.cost) if number})
    yield f"CON {len(constraints.lines)} {bounds}"
    yield from constraints.lines
    yield f"RTP range {value} {value}"
    yield "SOL 1"
    yield f"optimum {_sparse(certificate.primal.entries)}"
    yield "DER 1"
    combination = " ".join(f"{number} {weight}" for number, weight in constraints.multipliers)
    yield f"bound L {value} OBJ {{ lin {len(constraints.multipliers)} {combination} }} -1"


def _merged(entries: Entries) -> dict[int, Number]:
    """Coefficients by column, each column once."""
    found: dict[int, Number] = {}
    for column, coefficient in entries:
        found[column] = found.get(column, 0) + coefficient
    return {column: number for column, number in found.items() if number}


def _sparse(entries: dict[int, Any]) -> str:
    return " ".join([str(len(entries)), *(f"{column} {number}" for column, number in entries.items())])


def _comment(title: str) -> str:
    """A title on one line; other lines of a file are its content."""
    return "".join(c if c.isprintable() else "?" for c in title) or "a model"
