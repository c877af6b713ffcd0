"""Expressions in named parameters: a small grammar of its own, computed exactly as it is read.

::

    sum     = product (("+" | "-") product)*
    product = sign (("*" | "/") sign)*
    sign    = ("+" | "-") sign | power
    power   = atom ("**" whole number)?
    atom    = number | name | "(" sum ")"

A number is an integer or a decimal, exact; a name is one of those that the caller gives values. Nothing else is read,
and nothing is ever evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

from mechopt.core.errors import shortened
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import parse_exact

MAX_LENGTH = 2000
MAX_EXPONENT = 32
MAX_DEPTH = 50
MAX_DEGREE = 64

N = TypeVar("N", Fraction, RationalFunction)

_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|\*\*|[-+*/()])")
_NAME = re.compile(r"[A-Za-z_]\w*")


def names_in(text: str) -> set[str]:
    """Names that occur in a text.

    Examples
    --------
    >>> sorted(names_in("2*(1 - p)*h"))
    ['h', 'p']
    """
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", text))


def evaluate(text: str, names: Mapping[str, Fraction | RationalFunction]) -> Fraction | RationalFunction:
    """Compute an expression.

    Parameters
    ----------
    text : str
    names : mapping
        Value of each name: a fraction, or a function where the expression is to be one.

    Raises
    ------
    ValueError
        If it is not an expression, is too large, has an unknown name, or divides by zero.

    Examples
    --------
    >>> evaluate("(1 - p)**2 / 3", {"p": Fraction(1, 2)})
    Fraction(1, 12)
    >>> evaluate("1 - p", {"p": RationalFunction.parameter()})
    1 - p
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an expression has at most {MAX_LENGTH} characters, this one {len(text)}")
    return _Reader(text, names).all()


class _Reader:
    """The tokens of one expression, read once from left to right."""

    def __init__(self, text: str, names: Mapping[str, Fraction | RationalFunction]) -> None:
        self.text, self.names, self.at, self.depth = text, names, 0, 0
        self.tokens: list[str] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            found = _TOKEN.match(text, position)
            if found is None:
                self._refuse(f"{text[position:].strip()[0]!r} has no meaning here")
            assert found is not None
            self.tokens.append(found[1])
            position = found.end()

    def _refuse(self, why: str) -> None:
        raise ValueError(
            f"{shortened(self.text)!r} is not an expression: {why}; use numbers, parameters, + - * / ** and ( )"
        )

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _taken(self, *tokens: str) -> str:
        token = self._next()
        if token in tokens and token:
            self.at += 1
            return token
        return ""

    def all(self) -> Fraction | RationalFunction:
        """The whole text as one sum."""
        result = self._sum()
        if self._next():
            self._refuse(f"{self._next()!r} is left over")
        return result

    def _sum(self) -> Fraction | RationalFunction:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(f"more than {MAX_DEPTH} parentheses within each other")
        total = self._product()
        while operator := self._taken("+", "-"):
            term = self._product()
            total = total + term if operator == "+" else total - term
        self.depth -= 1
        return self._limited(total)

    def _product(self) -> Fraction | RationalFunction:
        total = self._sign()
        while operator := self._taken("*", "/"):
            factor = self._sign()
            if operator == "*":
                total = total * factor
            elif not factor:
                self._refuse("it divides by zero")
            else:
                total = total / factor
            self._limited(total)
        return total

    def _sign(self) -> Fraction | RationalFunction:
        negative = False
        while operator := self._taken("+", "-"):
            negative ^= operator == "-"
        result = self._power()
        return -result if negative else result

    def _power(self) -> Fraction | RationalFunction:
        base = self._atom()
        if not self._taken("**"):
            return base
        exponent = self._next()
        if not exponent.isdigit() or int(exponent) > MAX_EXPONENT:
            self._refuse(f"an exponent is a whole number of at most {MAX_EXPONENT}")
        self.at += 1
        result: Fraction | RationalFunction = base ** int(exponent)
        return self._limited(result)

    def _atom(self) -> Fraction | RationalFunction:
        token = self._next()
        self.at += 1
        if not token:
            self._refuse("it ends too early")
        if token == "(":
            inner = self._sum()
            if not self._taken(")"):
                self._refuse("a parenthesis is not closed")
            return inner
        if token[0].isdigit():
            return parse_exact(token)
        if not _NAME.fullmatch(token):
            self._refuse(f"{token!r} stands where a number is needed")
        if token not in self.names:
            known = ", ".join(self.names) or "none"
            self._refuse(f"{token!r} is not a parameter (known: {known})")
        return self.names[token]

    def _limited(self, number: Fraction | RationalFunction) -> Fraction | RationalFunction:
        """Refuse what grows beyond use."""
        if isinstance(number, RationalFunction):
            degree = max(len(number.numerator), len(number.denominator)) - 1
            if degree > MAX_DEGREE:
                self._refuse(f"its degree is above {MAX_DEGREE}")
            size = max(abs(x) for x in (*number.numerator, *number.denominator))
        else:
            size = max(abs(number.numerator), number.denominator)
        if size.bit_length() > 400:
            self._refuse("its numbers are too long")
        return number
