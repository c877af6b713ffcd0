"""A certificate: an exact primal and dual that prove each other optimal, and its file.

The file is JSON. Integers that may be long are strings; a vector is a common ``denominator`` with the ``index`` and the
``numerators`` of its non-zero entries. It has one spelling only (lowest terms, rising indices, a digest of it all), so
that any change shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd
from os import PathLike
from pathlib import Path
from typing import IO, Any

from mechopt.core.errors import require_type, shortened
from mechopt.core.numbers import parse_exact, to_exact
from mechopt.core.reading import distinct_keys
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import PaymentConstraint, payment_named
from mechopt.proof.constraints import CertificateError as CertificateError
from mechopt.proof.promised.certificate import PromisedCertificate, is_promised, load_promised

FORMAT = "mechopt certificate 1"
GUARANTEE_FORMAT = "mechopt guarantee certificate 1"
MAX_BYTES = 2**28
"""Of a file: 256 MiB, ten times the proof of four types over eight periods."""


@dataclass(frozen=True)
class SparseVector:
    """Exact numbers by position, zeros left out.

    Attributes
    ----------
    denominator : int
        Common to all entries, in lowest terms with the numerators together.
    index : tuple of int
        Rising.
    numerators : tuple of int
        None of them 0.
    """

    denominator: int
    index: tuple[int, ...]
    numerators: tuple[int, ...]

    @classmethod
    def of(cls, numerators: Any, denominator: int) -> SparseVector:
        """Vector of all numerators over a positive denominator, reduced."""
        entries = [(j, int(number)) for j, number in enumerate(numerators) if number]
        common = gcd(denominator, *(number for _, number in entries))
        return cls(denominator // common, tuple(j for j, _ in entries), tuple(n // common for _, n in entries))

    @property
    def entries(self) -> dict[int, Fraction]:
        """Non-zero entries by position."""
        return {j: Fraction(n, self.denominator) for j, n in zip(self.index, self.numerators, strict=True)}


@dataclass(frozen=True)
class Certificate:
    """Proof of an optimum, or of there being none.

    Attributes
    ----------
    fingerprint : str
        Of the environment that it is about.
    status : str
        ``"optimal"``, or ``"unbounded"``: then ``primal`` is a direction in which the objective is unbounded from
        the null mechanism, or from ``point``, and ``dual`` is empty; or ``"infeasible"``: then ``dual`` are multipliers
        of rows that no point keeps together (Farkas), and ``primal`` is empty.
    form : str
        Of the program.
    ic, ir : tuples of Constraint
    objective : Objective
    value : Fraction or None
        The optimum in money of the environment, present value; None where there is no bound, or no mechanism.
    primal : SparseVector
        By column of the program: allocations, and utilities in money of the environment.
    dual : SparseVector
        By row of the program: money for one unit of the row's side.
    subject_to : tuple of PaymentConstraint
    point : SparseVector or None
        By column: a mechanism that keeps everything, where there is no bound and the null mechanism may not keep it.
    """

    fingerprint: str
    status: str
    form: str
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    objective: Objective
    value: Fraction | None
    primal: SparseVector
    dual: SparseVector
    subject_to: tuple[PaymentConstraint, ...] = ()
    point: SparseVector | None = None

    def save(self, path: str | Path) -> None:
        """Write the certificate to a JSON file, whole or not at all.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        _save(self, path)

    def __repr__(self) -> str:
        sizes = f"{len(self.primal.index)} primal and {len(self.dual.index)} dual entries"
        return f"Certificate({self.status}, value {self.value}, {self.form} form, {sizes})"


@dataclass(frozen=True)
class GuaranteeCertificate:
    """Proof of the best guarantee of a mechanism that does not know the future.

    Attributes
    ----------
    fingerprint : str
        Of the scenarios.
    value : Fraction
        The best guarantee.
    optima : tuple of Certificate
        By scenario, what a clairvoyant seller earns.
    primal, dual : SparseVector
        Of the program over all scenarios, money in units of the environments.
    ic, ir : tuples of Constraint
        Of the mechanism whose guarantee it is, in every scenario.
    subject_to : tuple of PaymentConstraint
        The same of its payments.
    objective : str
        ``"ratio"``: ``value`` is the least share of the optima; ``"weighted"``: the mean share under the scenarios'
        weights; ``"regret"``: the largest shortfall in money, as small as possible.
    benchmark : str
        ``"same"``: optima are under the same constraints (DIC and EPIR where they are DIC, INDU and EPIR, which changes
        nothing for a clairvoyant seller); ``"standard"``: under DIC and EPIR.
    absorbing : tuple of str
        Distributions that stand for absorbing last periods: scenarios that end so are worth the surplus of their
        earlier periods, and are measured by first best.
    """

    fingerprint: str
    value: Fraction
    optima: tuple[Certificate, ...]
    primal: SparseVector
    dual: SparseVector
    ic: tuple[Constraint, ...] = (DIC(),)
    ir: tuple[Constraint, ...] = (EPIR(),)
    subject_to: tuple[PaymentConstraint, ...] = ()
    objective: str = "ratio"
    benchmark: str = "same"
    absorbing: tuple[str, ...] = ()

    def save(self, path: str | Path) -> None:
        """Write the certificate to a JSON file, whole or not at all.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        _save(self, path)

    def __repr__(self) -> str:
        return f"GuaranteeCertificate(value {self.value}, {len(self.optima)} scenarios)"


def _save(certificate: Certificate | GuaranteeCertificate, path: str | Path) -> None:
    from mechopt.core.atomic import write_atomically

    content = as_content(certificate)
    text = json.dumps(content | {"digest": digest(content)}, separators=(",", ":"))

    def write(file: IO[bytes]) -> None:
        file.write(text.encode() + b"\n")

    write_atomically(path, write)


def _plain(vector: SparseVector) -> dict[str, Any]:
    numerators = [str(number) for number in vector.numerators]
    return {"denominator": str(vector.denominator), "index": list(vector.index), "numerators": numerators}


def as_content(certificate: Certificate | GuaranteeCertificate) -> dict[str, Any]:
    """Contents of a file, without the digest."""
    vectors = {"primal": _plain(certificate.primal), "dual": _plain(certificate.dual)}
    if isinstance(certificate, GuaranteeCertificate):
        return {
            "format": GUARANTEE_FORMAT,
            "fingerprint": certificate.fingerprint,
            "value": str(certificate.value),
            "optima": [as_content(optimum) for optimum in certificate.optima],
            **vectors,
            **({} if certificate.ic == (DIC(),) else {"ic": [constraint.name for constraint in certificate.ic]}),
            **({} if certificate.ir == (EPIR(),) else {"ir": [constraint.name for constraint in certificate.ir]}),
            **({"subject_to": [c.name for c in certificate.subject_to]} if certificate.subject_to else {}),
            **({} if certificate.objective == "ratio" else {"objective": certificate.objective}),
            **({} if certificate.benchmark == "same" else {"benchmark": certificate.benchmark}),
            **({"absorbing": list(certificate.absorbing)} if certificate.absorbing else {}),
        }
    weights = certificate.objective
    return {
        "format": FORMAT,
        "fingerprint": certificate.fingerprint,
        "status": certificate.status,
        "form": certificate.form,
        "ic": [constraint.name for constraint in certificate.ic],
        "ir": [constraint.name for constraint in certificate.ir],
        **({"subject_to": [c.name for c in certificate.subject_to]} if certificate.subject_to else {}),
        "objective": {name: str(to_exact(getattr(weights, name))) for name in ("revenue", "welfare", "utility")},
        "value": None if certificate.value is None else str(certificate.value),
        **vectors,
        **({} if certificate.point is None else {"point": _plain(certificate.point)}),
    }


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of everything in a file but the digest."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_certificate(path: str | Path) -> Certificate | GuaranteeCertificate | PromisedCertificate:
    """Read a certificate; what it claims is proved by `check_certificate` only.

    Parameters
    ----------
    path : path

    Raises
    ------
    CertificateError
        If the file cannot be read, or is not what `Certificate.save` writes.
    """
    require_type(path, (str, PathLike), "load_certificate", "give a file")
    if is_promised(path):
        return load_promised(path)
    try:
        content = json.loads(file_bytes(path), object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError) as error:
        raise CertificateError(f"{path}: not JSON ({shortened(str(error))})") from None
    if not isinstance(content, dict):
        raise CertificateError(f"{path}: not a certificate; write one with `mechopt certificate make`")
    if content.get("format") not in (FORMAT, GUARANTEE_FORMAT):
        raise CertificateError(f"{path}: format {content.get('format')!r}, this version reads {FORMAT!r}")
    signed = content.pop("digest", None)
    try:
        certificate = _read_guarantee(content) if content["format"] == GUARANTEE_FORMAT else read_certificate(content)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CertificateError(f"{path}: damaged ({type(error).__name__}: {shortened(str(error))})") from None
    again = as_content(certificate)
    if again != content:
        wrong = next(key for key in {**again, **content} if again.get(key, ...) != content.get(key, ...))
        raise CertificateError(f"{path}: {wrong} is not spelt as certificates are; the file was changed")
    if signed != digest(content):
        raise CertificateError(f"{path}: the digest does not fit: the file was changed after it was written")
    return certificate


def file_bytes(path: str | Path) -> bytes:
    """Bytes of a regular file of at most `MAX_BYTES`."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # before it is opened: a pipe would wait for ever
            raise CertificateError(f"{path}: not a regular file; write the proof to one")
        with open(path, "rb") as file:
            found = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"{path}: cannot read ({error.strerror or error})") from None
    except ValueError as error:
        raise CertificateError(f"{path!r}: cannot read ({error})") from None
    if len(found) > MAX_BYTES:
        raise CertificateError(f"{path}: longer than {MAX_BYTES:,} bytes, the most that is read of a proof")
    return found


def read_certificate(content: Mapping[str, Any]) -> Certificate:
    """A certificate from what a file holds, the digest aside."""
    value = content["value"]
    weights = {name: float(parse_exact(text)) for name, text in content["objective"].items()}
    return Certificate(
        str(content["fingerprint"]),
        str(content["status"]),
        str(content["form"]),
        tuple(constraint_named(name) for name in content["ic"]),
        tuple(constraint_named(name) for name in content["ir"]),
        Objective(**weights),
        None if value is None else _fraction(value),
        _vector(content["primal"]),
        _vector(content["dual"]),
        tuple(payment_named(name) for name in content.get("subject_to", ())),
        _vector(content["point"]) if "point" in content else None,
    )


def _read_guarantee(content: Mapping[str, Any]) -> GuaranteeCertificate:
    return GuaranteeCertificate(
        str(content["fingerprint"]),
        _fraction(content["value"]),
        tuple(map(read_certificate, content["optima"])),
        _vector(content["primal"]),
        _vector(content["dual"]),
        tuple(constraint_named(name) for name in content.get("ic", ["dic"])),
        tuple(constraint_named(name) for name in content.get("ir", ["epir"])),
        tuple(payment_named(name) for name in content.get("subject_to", ())),
        str(content.get("objective", "ratio")),
        str(content.get("benchmark", "same")),
        tuple(map(str, content.get("absorbing", ()))),
    )


def _fraction(text: str) -> Fraction:
    """Read what ``str(Fraction)`` writes."""
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator), int(denominator or "1"))


def _vector(content: Mapping[str, Any]) -> SparseVector:
    index, numerators = tuple(content["index"]), tuple(int(n) for n in content["numerators"])
    denominator = int(content["denominator"])
    if any(type(j) is not int or j < 0 for j in index) or any(a >= b for a, b in pairwise(index)):
        raise ValueError("an index is not a whole number above the one before it")
    if len(index) != len(numerators) or 0 in numerators:
        raise ValueError("as many numerators as indices, none of them 0, are wanted")
    if denominator < 1 or gcd(denominator, *numerators) != 1:
        raise ValueError("the denominator is not positive and in lowest terms")
    return SparseVector(denominator, index, numerators)
