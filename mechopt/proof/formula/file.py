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
from os import PathLike
from pathlib import Path
from typing import IO, Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.atomic import write_atomically
from mechopt.core.errors import require_type, shortened
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import to_exact
from mechopt.core.reading import distinct_keys
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.proof.certificate import (
    Certificate,
    CertificateError,
    as_content,
    digest,
    file_bytes,
    read_certificate,
)
from mechopt.proof.formula.spelling import (
    closed_ends,
    end_content,
    ends_content,
    payment,
    payment_content,
    read_end,
    read_function,
    texts,
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
    ic, ir : tuples of Constraint
        In every scenario.
    subject_to : tuple of PaymentConstraint
        Their amounts may be functions of the parameter.
    objective : str
        ``"ratio"``, ``"weighted"`` or ``"regret"``.
    benchmark : str
        Constraints of the optima: ``"same"``, or ``"standard"``.
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
    ic: tuple[Constraint, ...] = (DIC(),)
    ir: tuple[Constraint, ...] = (EPIR(),)
    subject_to: tuple[PaymentConstraint, ...] = ()
    objective: str = "ratio"
    benchmark: str = "same"

    @property
    def asked(self) -> tuple[Any, ...]:
        """Constraints, objective and benchmark of the guarantee."""
        return self.ic, self.ir, self.subject_to, self.objective, self.benchmark

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
    """Contents of a file, without the digest."""
    number: dict[RationalFunction, int] = {}

    def place(function: RationalFunction) -> int:
        return number.setdefault(function, len(number))

    def vector(entries: Sparse) -> dict[str, Any]:
        return {"index": [j for j, _ in entries], "function": [place(function) for _, function in entries]}

    pieces = [
        {**ends_content(piece.start, piece.stop), "closed": list(piece.closed), "value": place(piece.value)}
        for piece in proof.pieces
    ]
    bases = [
        {**ends_content(basis.start, basis.stop), "primal": vector(basis.primal), "dual": vector(basis.dual)}
        for basis in proof.bases
    ]
    return {
        **_head(proof),
        "pieces": pieces,
        "bases": bases,
        "unproved": [end_content(end) for end in proof.unproved],
        "uncovered": [ends_content(start, stop) for start, stop in proof.uncovered],
        "functions": [
            {"numerator": texts(function.numerator), "denominator": texts(function.denominator)} for function in number
        ],
    }


def _head(proof: AnyProof) -> dict[str, Any]:
    """Keys by which the two kinds of files are told apart."""
    known = {
        "fingerprint": proof.fingerprint,
        "parameter": proof.parameter,
        "interval": [str(proof.start), str(proof.stop)],
    }
    if isinstance(proof, GuaranteeProof):
        optima = [formula_content(one) for one in proof.optima]
        return {"format": GUARANTEE_FORMAT, **known, "optima": optima, **_asked_content(proof)}
    weights = proof.objective
    return {
        "format": FORMULA_FORMAT,
        **known,
        "form": proof.form,
        "ic": [constraint.name for constraint in proof.ic],
        "ir": [constraint.name for constraint in proof.ir],
        "objective": {name: str(to_exact(getattr(weights, name))) for name in ("revenue", "welfare", "utility")},
        "points": [{"at": str(point), "certificate": as_content(one)} for point, one in proof.points],
        **({"subject_to": [payment_content(c) for c in proof.subject_to]} if proof.subject_to else {}),
    }


STANDARD_ASKED = (DIC(),), (EPIR(),), (), "ratio", "same"
"""What files of guarantees that say nothing of it are about."""


def _asked_content(proof: GuaranteeProof) -> dict[str, Any]:
    """Terms of a guarantee, where it is not the standard one."""
    if proof.asked == STANDARD_ASKED:
        return {}
    names = {"ic": [c.name for c in proof.ic], "ir": [c.name for c in proof.ir]}
    paid = [payment_content(c) for c in proof.subject_to]
    return {"asked": {**names, "subject_to": paid, "objective": proof.objective, "benchmark": proof.benchmark}}


def _asked(content: Mapping[str, Any]) -> tuple[Any, ...]:
    """Inverse of `_asked_content`."""
    if "asked" not in content:
        return STANDARD_ASKED
    asked = content["asked"]
    ic, ir = (tuple(constraint_named(name) for name in asked[key]) for key in ("ic", "ir"))
    return ic, ir, tuple(map(payment, asked["subject_to"])), str(asked["objective"]), str(asked["benchmark"])


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
    require_type(path, (str, PathLike), "load_formula", "give a file")
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
    functions = list(map(read_function, content["functions"]))

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
        ClaimedPiece(read_end(p["from"]), read_end(p["to"]), closed_ends(p["closed"]), functions[p["value"]])
        for p in content["pieces"]
    )
    bases = tuple(
        ProvedBasis(read_end(b["from"]), read_end(b["to"]), vector(b["primal"]), vector(b["dual"]))
        for b in content["bases"]
    )
    unproved = tuple(map(read_end, content["unproved"]))
    uncovered = tuple((read_end(u["from"]), read_end(u["to"])) for u in content["uncovered"])
    if content["format"] == GUARANTEE_FORMAT:
        optima = tuple(map(read_formula, content["optima"]))
        plain = tuple(one for one in optima if isinstance(one, FormulaProof))
        if len(plain) != len(optima):
            raise ValueError("an optimum is itself a guarantee")
        return GuaranteeProof(*head, plain, pieces, bases, unproved, uncovered, *_asked(content))
    weights = {name: float(Fraction(text)) for name, text in content["objective"].items()}
    ic, ir = (tuple(constraint_named(name) for name in content[key]) for key in ("ic", "ir"))
    points = tuple((Fraction(point["at"]), read_certificate(point["certificate"])) for point in content["points"])
    asked = str(content["form"]), ic, ir, Objective(**weights)
    payments = tuple(map(payment, content.get("subject_to", ())))
    return FormulaProof(*head, *asked, pieces, bases, points, unproved, uncovered, payments)
