"""Errors that say what is wrong, where, and what to try.

``InputError`` collects *all* faults of an input; the command line maps each class to the exit status in its
``exit_status`` (0 done, 1 a check failed, 2 bad input, 3 stopped by a limit).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mechopt.core.printable import printable


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input.

    Attributes
    ----------
    where : str
        Key path or argument, such as ``buyers[1].probabilities``; empty for the input as a whole.
    what : str
        What is wrong, with the offending value.
    fix : str
        What to write instead; may be empty.
    """

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return printable(f"{text}; {self.fix}" if self.fix else text)


def shortened(text: str, limit: int = 60) -> str:
    """Cut a text from outside to what fits into a message.

    Examples
    --------
    >>> shortened("a" * 10, limit=6)
    'aaa...'
    """
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


class MechoptError(Exception):
    """Base of every error that this library raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong and what to try; texts from files lose their control characters.
    keep : str
        Characters that stay: the line end, where a message of several lines is made of printable ones.
    """

    exit_status = 1

    def __init__(self, message: str = "", keep: str = "") -> None:
        super().__init__(printable(message, keep))


class InputError(MechoptError, ValueError):
    """The input is wrong; ``faults`` holds every fault that was found, ``source`` the file it came from.

    Parameters
    ----------
    faults : iterable of Fault, or str
        What is wrong.
    source : str
        File name, put before each fault; empty for values passed from Python.
    """

    exit_status = 2

    def __init__(self, faults: Iterable[Fault] | str, source: str = "") -> None:
        self.faults = (Fault("", faults),) if isinstance(faults, str) else tuple(faults)
        self.source = source
        prefix = f"{printable(source)}: " if source else ""
        super().__init__("\n".join(f"{prefix}{fault}" for fault in self.faults), keep="\n")


class LimitError(MechoptError):
    """The work is larger than a limit allows, or was stopped by one.

    Parameters
    ----------
    message : str
        The figures, and what to do.
    lower, upper : float
        What is known of the optimum all the same: ``lower <= optimum <= upper``.
    """

    exit_status = 3

    def __init__(self, message: str, lower: float = float("-inf"), upper: float = float("inf")) -> None:
        super().__init__(message)
        self.lower, self.upper = lower, upper


class NoOptimumError(MechoptError):
    """The program has no solution or no bound; the message names the rows or columns that conflict."""


class SolverError(MechoptError):
    """The solver itself failed: it gave no answer at all, right or wrong, or one that contradicts what is known."""


def require_type(value: object, kinds: str | type | tuple[str | type, ...], call: str, fix: str) -> None:
    """Refuse a value that is of none of some types.

    Parameters
    ----------
    value : object
    kinds : type, name of a type, or several
        Names stand for types whose modules need not be loaded for this; subclasses count.
    call : str
        The function that asks.
    fix : str
        The right call.

    Raises
    ------
    InputError

    Examples
    --------
    >>> require_type(3.0, ("Fraction", float), "halved", "write halved(3)")
    >>> require_type("3", ("Fraction", float), "halved", "write halved(3)")
    Traceback (most recent call last):
    mechopt.core.errors.InputError: halved takes Fraction or float and not str; write halved(3)
    """
    known = kinds if isinstance(kinds, tuple) else (kinds,)
    own = {base.__name__ for base in type(value).__mro__}
    if any(kind in own if isinstance(kind, str) else isinstance(value, kind) for kind in known):
        return
    words = " or ".join(kind if isinstance(kind, str) else kind.__name__ for kind in known)
    raise InputError(f"{call} takes {words} and not {type(value).__name__}; {fix}")
