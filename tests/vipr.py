"""A small reader of VIPR files, written from the specification of version 1.0; it trusts nothing that it can compute.

Every number is a fraction. Rows are recomputed: each derived constraint from its linear combination, each solution in
every constraint. Only what linear programs need is read: no integer variables, no assumptions, no rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice


class ViprError(Exception):
    """What a file says does not follow."""


@dataclass
class Constraint:
    sense: str
    side: Fraction
    entries: dict[int, Fraction]


class Tokens:
    def __init__(self, text):
        lines = text.splitlines()
        while lines and lines[0].startswith("%"):
            lines.pop(0)
        self.left = iter(" ".join(lines).split())

    def word(self, expected=None):
        word = next(self.left, None)
        if word is None or (expected is not None and word != expected):
            raise ViprError(f"{expected or 'something'} expected, found {word}")
        return word

    def count(self, most=None):
        number = int(self.word())
        if number < 0 or (most is not None and number > most):
            raise ViprError(f"{number} is not a count up to {most}")
        return number

    def number(self):
        return Fraction(self.word())

    def sparse(self, size, count=None):
        entries = {}
        for _ in range(self.count() if count is None else count):
            index, number = int(self.word()), self.number()
            if not 0 <= index < size or index in entries:
                raise ViprError(f"index {index}")
            entries[index] = number
        return entries


def nonzero(entries):
    return {index: number for index, number in entries.items() if number}


def check_vipr(text):
    """The range that a file proves, as (lower, upper); ViprError where it proves none."""
    tokens = Tokens(text)
    tokens.word("VER")
    tokens.word("1.0")
    tokens.word("VAR")
    size = tokens.count()
    names = [tokens.word() for _ in range(size)]
    if len(set(names)) < size:
        raise ViprError("two variables have one name")
    tokens.word("INT")
    tokens.word("0")
    tokens.word("OBJ")
    tokens.word("max")
    objective = nonzero(tokens.sparse(size))
    tokens.word("CON")
    count = tokens.count()
    bounds = tokens.count(count)
    constraints = []
    seen = set()

    def constraint():
        name, sense, side = tokens.word(), tokens.word(), tokens.number()
        if sense not in ("E", "L", "G") or name in seen:
            raise ViprError(f"{name} {sense}")
        seen.add(name)
        width = tokens.word()
        entries = objective if width == "OBJ" else nonzero(tokens.sparse(size, int(width)))
        return Constraint(sense, side, entries)

    for _ in range(count):
        constraints.append(constraint())
    if any(len(found.entries) != 1 for found in islice(constraints, bounds)):
        raise ViprError("bounds come first, each of one variable")
    tokens.word("RTP")
    tokens.word("range")
    lower, upper = tokens.number(), tokens.number()
    tokens.word("SOL")
    best = None
    for _ in range(tokens.count()):
        tokens.word()
        x = tokens.sparse(size)
        for number, row in enumerate(constraints):
            activity = sum(weight * x.get(index, 0) for index, weight in row.entries.items())
            right = {"E": activity == row.side, "L": activity <= row.side, "G": activity >= row.side}
            if not right[row.sense]:
                raise ViprError(f"the solution violates constraint {number}")
        worth = sum((weight * x.get(index, 0) for index, weight in objective.items()), Fraction(0))
        best = worth if best is None else max(best, worth)
    if best is None or best < lower:
        raise ViprError(f"no solution is worth {lower}")
    tokens.word("DER")
    last = None
    for _ in range(tokens.count()):
        last = constraint()
        tokens.word("{")
        tokens.word("lin")
        derive(last, tokens.sparse(len(constraints)), constraints)
        tokens.word("}")
        tokens.word()
        constraints.append(last)
    if last is None or not dominates(last, Constraint("L", upper, objective)):
        raise ViprError("the last derivation does not bound the objective")
    if next(tokens.left, None) is not None:
        raise ViprError("there is more in the file than its sections")
    return lower, upper


def derive(claimed, weights, constraints):
    """A suitable linear combination of earlier constraints has to dominate the one claimed."""
    sign = {"E": 0, "L": -1, "G": 1}
    signs = {sign[constraints[index].sense] * (1 if w > 0 else -1) for index, w in weights.items() if w} - {0}
    if len(signs) > 1:
        raise ViprError("the combination is not suitable: it presses both ways")
    entries: dict[int, Fraction] = {}
    side = Fraction(0)
    for index, weight in weights.items():
        side += weight * constraints[index].side
        for column, number in constraints[index].entries.items():
            entries[column] = entries.get(column, Fraction(0)) + weight * number
    sense = {frozenset(): "E", frozenset({1}): "G", frozenset({-1}): "L"}[frozenset(signs)]
    if not dominates(Constraint(sense, side, nonzero(entries)), claimed):
        raise ViprError("the combination does not dominate what is claimed")


def dominates(found, claimed):
    if not found.entries and (
        (found.sense == "G" and found.side > 0)
        or (found.sense == "L" and found.side < 0)
        or (found.sense == "E" and found.side != 0)
    ):
        return True  # an absurdity
    if found.entries != claimed.entries:
        return False
    if claimed.sense == "E":
        return found.sense == "E" and found.side == claimed.side
    if claimed.sense == "L":
        return found.sense in ("E", "L") and found.side <= claimed.side
    return found.sense in ("E", "G") and found.side >= claimed.side
