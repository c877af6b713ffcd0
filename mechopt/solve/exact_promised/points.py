"""Points of the lower side in exact numbers: what the vertex of a corner's basis attains, from the last period on.

Every point is a lottery over prices, and next promises that are kept by points of the next period, by lotteries over
two of them, or by less than was promised to the type; so each is attained, whatever its basis was worth.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from mechopt.core.numbers import IntArray
from mechopt.proof.promised.certificate import Place, Point
from mechopt.solve.exact_promised.stage import ONE, ZERO, ExactStage, SingularError
from mechopt.solve.promised.simplex import Basis


@dataclass(eq=False)
class ExactTable:
    """Points of a period by rising promise, and the hull's corner that each stands for.

    Attributes
    ----------
    points : list of Point
        Their concave hull's corners alone; promises rise.
    of_corner : dict
        The promise of a corner, by its number.
    extra : int
        How many choices beside the corners' were given.
    between : dict
        The slope of a piece of the hull, by the number of the corner to its left.
    """

    points: list[Point]
    of_corner: dict[int, Fraction]
    extra: int = 0
    promises: list[Fraction] = field(init=False)
    slopes: list[Fraction] = field(init=False)
    _pieces: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.promises = [point.promise for point in self.points]
        pairs = zip(self.points, self.points[1:], strict=False)
        self.slopes = [(b.height - a.height) / (b.promise - a.promise) for a, b in pairs] + [ZERO]

    def place(self, promise: Fraction) -> Place:
        """Two points around a promise, and the weight of the second."""
        left = bisect_right(self.promises, promise) - 1
        if left == len(self.points) - 1 or self.promises[left] == promise:
            return Place(left, left, ZERO)
        share = (promise - self.promises[left]) / (self.promises[left + 1] - self.promises[left])
        return Place(left, left + 1, share)

    def height(self, promise: Fraction) -> Fraction:
        """Value at a promise, which is at least 0."""
        place = self.place(promise)
        low, high = self.points[place.left].height, self.points[place.right].height
        return low + place.share * (high - low) if place.share else low

    def kink(self, promise: Fraction) -> tuple[Fraction | None, Fraction]:
        """Slopes to the left and to the right of a promise; None to the left of 0."""
        right = bisect_right(self.promises, promise) - 1
        if self.promises[right] != promise:
            return self.slopes[right], self.slopes[right]
        return self.slopes[right - 1] if right else None, self.slopes[right]

    def slope(self, corner: int) -> Fraction:
        """Slope to the right of a corner: of the piece in the middle of which a promise of that piece lies."""
        known = self._pieces.get(corner)
        if known is None:
            left, right = self.of_corner[corner], self.of_corner.get(corner + 1)
            middle = left if right is None else (left + right) / 2
            known = self._pieces[corner] = bisect_right(self.promises, middle) - 1
        return self.slopes[known]


Choice = tuple[Fraction, dict[int, Fraction]]
"""A lowest promise and a lottery over prices."""


def exact_table(
    stage: ExactStage, after: ExactTable, corners: IntArray, kinks: Basis, last: int, extra: Sequence[Choice] = ()
) -> ExactTable:
    """Points of all corners of a period, its two ends, and some more."""
    prices = len(stage.welfare)
    low = point_of(stage, after, ZERO, {prices - 1: ONE})
    high = point_of(stage, after, after.promises[-1], {0: ONE})
    found = {0: low, last: high}
    for lane, corner in enumerate(corners):
        found[int(corner)] = _vertex(stage, after, kinks, lane) or low
    points = [*found.values(), *(point_of(stage, after, *choice) for choice in extra)]
    return ExactTable(
        _hull(sorted(points, key=lambda point: (point.promise, point.height))),
        {corner: point.promise for corner, point in found.items()},
        len(extra),
    )


def start_table() -> ExactTable:
    """After the last period: nothing is promised and nothing is had."""
    return ExactTable([Point(ZERO, ZERO, ZERO, (), ())], {0: ZERO})


def point_of(stage: ExactStage, after: ExactTable, lowest: Fraction, lottery: dict[int, Fraction]) -> Point:
    """The point of a lottery over prices and a lowest promise."""
    promises = stage.promises(lowest, lottery)
    promise = sum((f * v for f, v in zip(stage.chance, promises, strict=True)), ZERO)
    height = sum((z * stage.welfare[j] for j, z in lottery.items()), ZERO)
    height += sum((f * after.height(v) for f, v in zip(stage.chance, promises, strict=True)), ZERO)
    places = tuple(map(after.place, promises))
    sales = tuple((stage.sellers[j], z) for j, z in sorted(lottery.items()) if stage.sellers[j] >= 0)
    return Point(
        promise, height, lowest, sales, tuple(places[c] if c >= 0 else Place(0, 0, ZERO) for c in stage.classes)
    )


def _vertex(stage: ExactStage, after: ExactTable, kinks: Basis, lane: int) -> Point | None:
    """The point of a basis, or None where exact numbers do not make it one."""
    prices, fixed, promises, _ = read_basis(stage, after, kinks, lane)
    try:
        lowest, shares = stage.vertex(prices, fixed, promises)
    except SingularError:
        return None
    lottery = {j: z for j, z in zip(prices, shares, strict=True) if z}
    if lowest < 0 or any(z < 0 for z in lottery.values()):
        return None
    return point_of(stage, after, lowest, lottery)


def read_basis(
    stage: ExactStage, after: ExactTable, basis: Basis, lane: int
) -> tuple[list[int], list[int], list[Fraction], dict[int, Fraction]]:
    """Basic prices; classes whose promises lie on corners, and these promises; slopes of the others' pieces."""
    count = len(stage.welfare)
    names = basis.basic[:, lane].tolist()
    prices = [name for name in names if name < count]
    pieces = {name - count: int(basis.piece[row, lane]) for row, name in enumerate(names) if name >= count}
    outside = basis.outside[:, lane].tolist()
    fixed = {name - count: int(basis.at[row, lane]) for row, name in enumerate(outside) if name >= count}
    promises = [after.of_corner[corner] for corner in fixed.values()]
    return prices, list(fixed), promises, {k: after.slope(piece) for k, piece in pieces.items()}


def _hull(points: list[Point]) -> list[Point]:
    """Upper concave hull of points sorted by promise, from the first to the last one."""
    hull = list[Point]()
    for point in points:
        while hull and hull[-1].promise == point.promise:
            hull.pop()
        while len(hull) > 1:
            a, b = hull[-2:]
            if (b.height - a.height) * (point.promise - a.promise) > (point.height - a.height) * (
                b.promise - a.promise
            ):
                break
            hull.pop()
        hull.append(point)
    return hull
