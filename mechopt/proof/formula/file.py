"""A proved formula: exact primal and dual by basis as functions of the parameter, and the file that holds them.

The file is JSON and has one spelling only. Polynomials are lists of integers as texts, from the constant up; functions
are numbered in one list; ends are a polynomial, the number of the real root, and a bracket with no other root.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.atomic import write_atomically
from mechopt.core.errors import shortened
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import to_exact
from mechopt.core.polynomials import Polynomial
from mechopt.core.reading import distinct_keys
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import AMOUNTS, PaymentConstraint, amounts_of, payment_named
from mechopt.proof.certificate import (
    Certificate,
    CertificateError,
    as_content,
    digest,
    file_bytes,
    read_certificate,
)

FORMULA_FORMAT = "mechopt formula 1"
GUARANTEE_FORMAT = "mechopt guarantee formula 1"

Sparse = tuple[tuple[int, RationalFunction], ...]
"""Entries that are not zero, by rising position."""


@dataclass(frozen=True)
class ClaimedPiece:
    """On an interval the optimum is this function.

    Attributes
    ----------
    start, stop : AlgebraicNumber
    closed : (bool, bool)
        Whether the ends are included; not those of the parameter's own interval.
    value : RationalFunction
    """

    start: AlgebraicNumber
    stop: AlgebraicNumber
    closed: tuple[bool, bool]
    value: RationalFunction


@dataclass(frozen=True)
class ProvedBasis:
    """On an interval this primal and this dual are feasible and of one value.

    Attributes
    ----------
    start, stop : AlgebraicNumber
    primal : entries by column of the program
    dual : entries by row of the program
    """

    start: AlgebraicNumber
    stop: AlgebraicNumber
    primal: Sparse
    dual: Sparse


@dataclass(frozen=True)
class FormulaProof:
    """The optimum of a parametric model as a function of its parameter, with its proof.

    Attributes
    ----------
    fingerprint : str
        Of the parametric model.
    parameter : str
    start, stop : Fraction
        The interval.
    form : str
        Of the program.
    ic, ir : tuples of Constraint
    objective : Objective
    pieces : tuple of ClaimedPiece
        What is claimed, from below.
    bases : tuple of ProvedBasis
        From below.
    points : tuple of (Fraction, Certificate)
        Ends that no interval includes, each with a certificate of the plain model there.
    unproved : tuple of AlgebraicNumber
        Ends that no interval includes and about which nothing is claimed.
    uncovered : tuple of (AlgebraicNumber, AlgebraicNumber)
        Open intervals about which nothing is claimed.
    subject_to : tuple of PaymentConstraint
        Their amounts may be functions of the parameter.
    """

    fingerprint: str
    parameter: str
    start: Fraction
    stop: Fraction
    form: str
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    objective: Objective
    pieces: tuple[ClaimedPiece, ...]
    bases: tuple[ProvedBasis, ...]
    points: tuple[tuple[Fraction, Certificate], ...] = ()
    unproved: tuple[AlgebraicNumber, ...] = ()
    uncovered: tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...] = ()
    subject_to: tuple[PaymentConstraint, ...] = ()

    def save(self, path: str | Path) -> None:
        """Write the proof to a JSON file, whole or not at all.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        _write(formula_content(self), path)


@dataclass(frozen=True)
class GuaranteeProof:
    """The best guarantee over scenarios as a function of a parameter, with its proof.

    Attributes
    ----------
    fingerprint : str
        Of the parametric scenarios.
    parameter : str
    start, stop : Fraction
    optima : tuple of FormulaProof
        What a clairvoyant seller earns, by scenario.
    pieces, bases, unproved, uncovered
        As for `FormulaProof`.
    """

    fingerprint: str
    parameter: str
    start: Fraction
    stop: Fraction
    optima: tuple[FormulaProof, ...]
    pieces: tuple[ClaimedPiece, ...]
    bases: tuple[ProvedBasis, ...]
    unproved: tuple[AlgebraicNumber, ...] = ()
    uncovered: tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...] = ()

    def save(self, path: str | Path) -> None:
        """Write the proof to a JSON file, whole or not at all.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        _write(formula_content(self), path)


AnyProof = FormulaProof | GuaranteeProof


def _write(content: dict[str, Any], path: str | Path) -> None:
    text = json.dumps(content | {"digest": digest(content)}, separators=(",", ":"))

    def write(file: IO[bytes]) -> None:
        file.write(text.encode() + b"\n")

    write_atomically(path, write)


def formula_content(proof: AnyProof) -> dict[str, Any]:
    """What a file holds, without the digest."""
    number: dict[RationalFunction, int] = {}

    def place(function: RationalFunction) -> int:
        return number.setdefault(function, len(number))

    def vector(entries: Sparse) -> dict[str, Any]:
        return {"index": [j for j, _ in entries], "function": [place(function) for _, function in entries]}

    pieces = [
        {**_ends(piece.start, piece.stop), "closed": list(piece.closed), "value": place(piece.value)}
        for piece in proof.pieces
    ]
    bases = [
        {**_ends(basis.start, basis.stop), "primal": vector(basis.primal), "dual": vector(basis.dual)}
        for basis in proof.bases
    ]
    return {
        **_head(proof),
        "pieces": pieces,
        "bases": bases,
        "unproved": [end_content(end) for end in proof.unproved],
        "uncovered": [_ends(start, stop) for start, stop in proof.uncovered],
        "functions": [
            {"numerator": _texts(function.numerator), "denominator": _texts(function.denominator)}
            for function in number
        ],
    }


def _head(proof: AnyProof) -> dict[str, Any]:
    """What the two kinds of files say apart."""
    known = {
        "fingerprint": proof.fingerprint,
        "parameter": proof.parameter,
        "interval": [str(proof.start), str(proof.stop)],
    }
    if isinstance(proof, GuaranteeProof):
        return {"format": GUARANTEE_FORMAT, **known, "optima": [formula_content(one) for one in proof.optima]}
    weights = proof.objective
    return {
        "format": FORMULA_FORMAT,
        **known,
        "form": proof.form,
        "ic": [constraint.name for constraint in proof.ic],
        "ir": [constraint.name for constraint in proof.ir],
        "objective": {name: str(to_exact(getattr(weights, name))) for name in ("revenue", "welfare", "utility")},
        "points": [{"at": str(point), "certificate": as_content(one)} for point, one in proof.points],
        **({"subject_to": [_payment_content(c) for c in proof.subject_to]} if proof.subject_to else {}),
    }


def _payment_content(constraint: PaymentConstraint) -> dict[str, Any]:
    """A constraint on payments: its name, and its amounts as functions where it has any."""
    amounts = [RationalFunction.of(amount) for amount in amounts_of(constraint)]
    if not amounts:
        return {"name": constraint.name}
    listed = [{"numerator": _texts(f.numerator), "denominator": _texts(f.denominator)} for f in amounts]
    return {"name": constraint.name.partition(":")[0], "amounts": listed}


def _payment(given: Mapping[str, Any]) -> PaymentConstraint:
    if "amounts" not in given:
        return payment_named(given["name"])
    amounts = [RationalFunction(_polynomial(f["numerator"]), _polynomial(f["denominator"])) for f in given["amounts"]]
    constants = [function.constant for function in amounts]
    return AMOUNTS[given["name"]]([f if c is None else c for f, c in zip(amounts, constants, strict=True)])


def _texts(polynomial: Polynomial) -> list[str]:
    return [str(x) for x in polynomial]


def _ends(start: AlgebraicNumber, stop: AlgebraicNumber) -> dict[str, Any]:
    return {"from": end_content(start), "to": end_content(stop)}


def end_content(end: AlgebraicNumber) -> dict[str, Any]:
    """An end as files have it: a bracket that depends on the number alone."""
    exact = end.exact
    if exact is not None:
        return {"polynomial": _texts(end.polynomial), "root": end.index, "bracket": [str(exact), str(exact)]}
    bits = 40
    while True:  # the shortest binary bracket, whatever the number was narrowed to before
        floor = Fraction((end.lower.numerator << bits) // end.lower.denominator, 1 << bits)
        above = floor + Fraction(1, 1 << bits)
        if end.upper <= above:
            return {"polynomial": _texts(end.polynomial), "root": end.index, "bracket": [str(floor), str(above)]}
        end.narrow()


def load_formula(path: str | Path) -> AnyProof:
    """Read a proved formula; what it claims is proved by `check_formula` only.

    Parameters
    ----------
    path : path

    Raises
    ------
    CertificateError
        If the file cannot be read, or is not what `FormulaProof.save` writes.
    """
    try:
        content = json.loads(file_bytes(path), object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError) as error:
        raise CertificateError(f"{path}: not JSON ({error})") from None
    if not is_formula(content):
        raise CertificateError(f"{path}: not a formula; write one with `mechopt formula --proof`")
    signed = content.pop("digest", None)
    try:
        proof = read_formula(content)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, IndexError) as error:
        raise CertificateError(f"{path}: damaged ({type(error).__name__}: {shortened(str(error))})") from None
    again = formula_content(proof)
    if again != content:
        wrong = next(key for key in {**again, **content} if again.get(key, ...) != content.get(key, ...))
        raise CertificateError(f"{path}: {wrong} is not spelt as formulas are; the file was changed")
    if signed != digest(content):
        raise CertificateError(f"{path}: the digest does not fit: the file was changed after it was written")
    return proof


def is_formula(content: Any) -> bool:
    """Whether the JSON of a file says that it is a formula."""
    return isinstance(content, dict) and content.get("format") in (FORMULA_FORMAT, GUARANTEE_FORMAT)


def holds_formula(path: str | Path) -> bool:
    """Whether a file says that it is a formula; what it holds is read by `load_formula`."""
    try:
        return is_formula(json.loads(file_bytes(path)))
    except (CertificateError, ValueError, RecursionError):
        return False


def read_formula(content: Mapping[str, Any]) -> AnyProof:
    """A proof from what a file holds."""
    functions = [
        RationalFunction(_polynomial(f["numerator"]), _polynomial(f["denominator"])) for f in content["functions"]
    ]

    def vector(given: Mapping[str, Any]) -> Sparse:
        index, numbers = given["index"], given["function"]
        if len(index) != len(numbers) or any(type(j) is not int or j < 0 for j in [*index, *numbers]):
            raise ValueError("an index is not a whole number, or lists differ in length")
        if any(a >= b for a, b in pairwise(index)) or not all(functions[k] for k in numbers):
            raise ValueError("an index is not above the one before it, or an entry is zero")
        return tuple((j, functions[k]) for j, k in zip(index, numbers, strict=True))

    start, stop = (Fraction(end) for end in content["interval"])
    head = str(content["fingerprint"]), str(content["parameter"]), start, stop
    pieces = tuple(
        ClaimedPiece(_end(p["from"]), _end(p["to"]), _closed(p["closed"]), functions[p["value"]])
        for p in content["pieces"]
    )
    bases = tuple(
        ProvedBasis(_end(b["from"]), _end(b["to"]), vector(b["primal"]), vector(b["dual"])) for b in content["bases"]
    )
    unproved = tuple(map(_end, content["unproved"]))
    uncovered = tuple((_end(u["from"]), _end(u["to"])) for u in content["uncovered"])
    if content["format"] == GUARANTEE_FORMAT:
        optima = tuple(map(read_formula, content["optima"]))
        plain = tuple(one for one in optima if isinstance(one, FormulaProof))
        if len(plain) != len(optima):
            raise ValueError("an optimum is itself a guarantee")
        return GuaranteeProof(*head, plain, pieces, bases, unproved, uncovered)
    weights = {name: float(Fraction(text)) for name, text in content["objective"].items()}
    ic, ir = (tuple(constraint_named(name) for name in content[key]) for key in ("ic", "ir"))
    points = tuple((Fraction(point["at"]), read_certificate(point["certificate"])) for point in content["points"])
    asked = str(content["form"]), ic, ir, Objective(**weights)
    payments = tuple(map(_payment, content.get("subject_to", ())))
    return FormulaProof(*head, *asked, pieces, bases, points, unproved, uncovered, payments)


def _closed(given: Any) -> tuple[bool, bool]:
    start, stop = given
    if not isinstance(start, bool) or not isinstance(stop, bool):
        raise ValueError("closed is not a pair of truth values")
    return start, stop


def _polynomial(given: Any) -> Polynomial:
    if not isinstance(given, list) or not all(isinstance(x, str) for x in given):
        raise ValueError("a polynomial is not a list of texts")
    coefficients = tuple(int(x) for x in given)
    if coefficients and coefficients[-1] == 0:
        raise ValueError("a polynomial ends with a zero")
    return coefficients


def _end(given: Mapping[str, Any]) -> AlgebraicNumber:
    lower, upper = (Fraction(end) for end in given["bracket"])
    polynomial = _polynomial(given["polynomial"])
    if len(polynomial) < 2 or type(given["root"]) is not int:
        raise ValueError("an end is not a root of a polynomial")
    return AlgebraicNumber(polynomial, given["root"], lower, upper)
