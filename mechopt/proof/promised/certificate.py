"""The certificate of an exact optimum of one buyer by promises: points that are attained, lines that nothing exceeds.

It grows with the number of promises that the optimal mechanism makes, not with the number of histories. The file is
JSON; fractions are strings. `mechopt.proof.promised.check` proves it anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, NamedTuple

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import shortened
from mechopt.core.reading import distinct_keys, open_regular, read_regular
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.constraints import Constraint
from mechopt.proof.constraints import CertificateError

MAX_BYTES = 2**28
"""Longest file that is read."""
FORMAT = "mechopt promised certificate 1"


class PromisedCertificateError(CertificateError):
    """A certificate by promises that proves nothing, with the period and entry where it fails."""


class Place(NamedTuple):
    """A lottery over two points of the next period: ``right`` with probability ``share``."""

    left: int
    right: int
    share: Fraction


class Point(NamedTuple):
    """A promise that is kept, present value.

    ``lottery`` is a lottery over posted prices: (type, probability) where the price is that type's value, nothing is
    sold with what is left of 1. ``lowest`` is the utility from this period on of a type that gains from no price;
    ``places`` keep the next promise of each type, or less than it. ``height`` is welfare from this period on.
    """

    promise: Fraction
    height: Fraction
    lowest: Fraction
    lottery: tuple[tuple[int, Fraction], ...]
    places: tuple[Place, ...]


class Line(NamedTuple):
    """Welfare from a period on is at most ``height`` plus ``slope`` times the promise; ``after`` is a line per type."""

    slope: Fraction
    height: Fraction
    after: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class PromisedCertificate:
    """Proof of a bracket around the optimal revenue of one buyer under DIC and EPIR; of the optimum where it is closed.

    Attributes
    ----------
    fingerprint : str
        Of the environment that it is about.
    ic, ir : tuples of Constraint
    lower, upper : Fraction
        Money of the environment, present value.
    points, lines : tuples over periods of tuples
        The last point and the last line of the first period are those of the bounds.
    """

    fingerprint: str
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    lower: Fraction
    upper: Fraction
    points: tuple[tuple[Point, ...], ...]
    lines: tuple[tuple[Line, ...], ...]

    status = "optimal"

    @property
    def value(self) -> Fraction | None:
        """The optimum; None where the two ends do not meet."""
        return self.lower if self.lower == self.upper else None

    def save(self, path: str | Path) -> None:
        """Write the certificate to a JSON file, whole or not at all.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        content = _as_content(self)
        text = json.dumps(content | {"digest": _digest(content)}, separators=(",", ":"))

        def write(file: IO[bytes]) -> None:
            file.write(text.encode() + b"\n")

        write_atomically(path, write)

    def __repr__(self) -> str:
        counts = f"{sum(map(len, self.points))} points and {sum(map(len, self.lines))} lines"
        bounds = (
            f"value {self.value}"
            if self.value is not None
            else f"{float(self.lower):.12g} <= optimum, width {float(self.upper - self.lower):.2g}"
        )
        return f"PromisedCertificate({bounds}, {counts})"


def is_promised(path: str | Path) -> bool:
    """Whether a regular file begins as these certificates do."""
    try:
        with open_regular(path) as file:
            return FORMAT.encode() in file.read(100)
    except (OSError, ValueError):
        return False


def load_promised(path: str | Path) -> PromisedCertificate:
    """Read a certificate written by ``save``.

    Raises
    ------
    PromisedCertificateError
        If the file is not one, or was changed.
    """
    try:
        content = json.loads(read_regular(path, MAX_BYTES), object_pairs_hook=distinct_keys)
        stated = content.pop("digest")
        if content["format"] != FORMAT:
            raise ValueError(f"the format is {shortened(repr(content['format']))}, not {FORMAT!r}")
        if stated != _digest(content):
            raise ValueError("the digest does not match: the file was changed")
        return _read(content)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, RecursionError) as fault:
        raise PromisedCertificateError(f"{path}: not a certificate by promises: {fault}; make it again") from fault


def _as_content(proof: PromisedCertificate) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "fingerprint": proof.fingerprint,
        "ic": [constraint.name for constraint in proof.ic],
        "ir": [constraint.name for constraint in proof.ir],
        "lower": str(proof.lower),
        "upper": str(proof.upper),
        "points": [[_point_content(point) for point in row] for row in proof.points],
        "lines": [[[str(line.slope), str(line.height), list(line.after)] for line in row] for row in proof.lines],
    }


def _point_content(point: Point) -> list[Any]:
    lottery = [[j, str(z)] for j, z in point.lottery]
    places = [[place.left, place.right, str(place.share)] for place in point.places]
    return [str(point.promise), str(point.height), str(point.lowest), lottery, places]


def _read(content: Mapping[str, Any]) -> PromisedCertificate:
    points = tuple(
        tuple(
            Point(
                _fraction(promise),
                _fraction(height),
                _fraction(lowest),
                tuple((_count(j), _fraction(z)) for j, z in lottery),
                tuple(Place(_count(left), _count(right), _fraction(share)) for left, right, share in places),
            )
            for promise, height, lowest, lottery, places in row
        )
        for row in content["points"]
    )
    lines = tuple(
        tuple(Line(_fraction(slope), _fraction(height), tuple(map(_count, after))) for slope, height, after in row)
        for row in content["lines"]
    )
    ic, ir = (tuple(constraint_named(name) for name in content[key]) for key in ("ic", "ir"))
    bounds = _fraction(content["lower"]), _fraction(content["upper"])
    return PromisedCertificate(str(content["fingerprint"]), ic, ir, *bounds, points, lines)


def _fraction(text: str) -> Fraction:
    """Read what ``str(Fraction)`` writes."""
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator), int(denominator or "1"))


def _count(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{shortened(repr(number))} is not a number of an entry")
    return number


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, separators=(",", ":"), sort_keys=True).encode()).hexdigest()
