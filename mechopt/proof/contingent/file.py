"""The file of a proof about contingent transfers: JSON with a digest, numbers as fractions in strings.

For transfers it holds what the truth is worth, the payments, and the surplus of the rule; for a refusal inequalities
with their multipliers. What it claims is proved by `mechopt.proof.contingent.check` alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, NamedTuple

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError, MechoptError, shortened
from mechopt.core.reading import distinct_keys, open_regular, read_regular

FORMAT = "mechopt transfers proof 1"
MAX_BYTES = 2**28
"""Longest file that is read."""


class TransferProofError(MechoptError):
    """A proof about transfers that proves nothing, with what fails."""


class Weighted(NamedTuple):
    """One inequality of a refusal and its multiplier; profile and report as the rows of the program number them."""

    multiplier: Fraction
    kind: str
    agent: int
    period: int
    profile: int
    report: int


@dataclass(frozen=True)
class TransferProof:
    """Claim of a file.

    Attributes
    ----------
    fingerprint : str
        Of the environment.
    last : {"efficient", "constant", "none"}
        Whether the last period's action is one whatever the reports; "none" with an infinite horizon.
    efficient : bool
        Whether the rule is claimed to be efficient, its last period apart where that is constant.
    asked : dict
        Participation, outside, fee, cap, balance, form.
    policy : list over periods of lists over profiles of actions
    surplus : list over periods of lists over profiles of Fraction
        Of the rule, from each period on.
    welfare : the same
        Of the efficient rule.
    values : list over agents of lists over periods of lists over profiles
        What the truth is worth, the last period's apart; empty for a refusal.
    payments : list over periods of lists over agents of lists over reported profiles of lists over the others' next
    last_payments : list over agents of lists over profiles
    fees : list over agents
    shares : list of Weighted
        Of a refusal; empty for transfers.
    kernels : dict
        The set of kernels for which transfers are claimed to be right; empty for the model's alone. `kind` is
        ``"ball"`` (with `radius`), ``"box"`` (`lower`, `upper`: by period, action, profile and next profile) or
        ``"hull"`` (`kernels`, a list of such tables; the model's kernel is one more).
    lower, upper : lists over agents of lists over periods of lists over profiles
        Bounds on what the truth is worth for these kernels; empty where transitions do not depend on actions.
    distributions : list over shares of lists over next profiles
        Of a refusal for a set of kernels: the distribution that each inequality is for; empty for the last period's.
    stack : dict
        Of stacked transfers; else empty. `how` is ``"apart"`` (payments about a period are due in each of the next
        `steps` ones, by the others' signals then, one after the other), ``"together"`` (in the last of these, by the
        path of the others' signals) or ``"histories"`` (payments are by the reported profiles of all periods so far).
    """

    fingerprint: str
    last: str
    efficient: bool
    asked: dict[str, Any]
    policy: list[list[int]]
    surplus: list[list[Fraction]]
    welfare: list[list[Fraction]]
    values: list[list[list[Fraction]]] = field(default_factory=list)
    payments: list[list[list[list[Fraction]]]] = field(default_factory=list)
    last_payments: list[list[Fraction]] = field(default_factory=list)
    fees: list[Fraction] = field(default_factory=list)
    shares: list[Weighted] = field(default_factory=list)
    kernels: dict[str, Any] = field(default_factory=dict)
    lower: list[list[list[Fraction]]] = field(default_factory=list)
    upper: list[list[list[Fraction]]] = field(default_factory=list)
    distributions: list[list[Fraction]] = field(default_factory=list)
    stack: dict[str, Any] = field(default_factory=dict)

    @property
    def refusal(self) -> bool:
        """Whether it says that there are no transfers."""
        return bool(self.shares)

    def save(self, path: str | Path) -> None:
        """Write the proof to a JSON file, whole or not at all.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        content = {"format": FORMAT} | {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}
        text = json.dumps(content | {"digest": _digest(content)}, separators=(",", ":"))

        def write(file: IO[bytes]) -> None:
            file.write(text.encode() + b"\n")

        write_atomically(path, write)

    def __repr__(self) -> str:
        if self.refusal:
            return f"TransferProof(no transfers: {len(self.shares)} inequalities)"
        return f"TransferProof(transfers of {len(self.fees)} agents)"


def is_transfer_proof(path: str | Path) -> bool:
    """Whether a file says that it is a proof about transfers; False where it cannot be read."""
    try:
        with open_regular(path) as file:
            return FORMAT.encode() in file.read(80)
    except (OSError, ValueError):
        return False


def load_transfer_proof(path: str | Path) -> TransferProof:
    """Read a proof; what it claims is proved by `check_transfer_proof` only.

    Raises
    ------
    TransferProofError
        If the file cannot be read, was changed, or is not what `TransferProof.save` writes.
    """
    try:
        content = json.loads(read_regular(path, MAX_BYTES), object_pairs_hook=distinct_keys)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise TransferProofError(f"{path}: not a proof about transfers; write one with `mechopt transfers --proof`")
        signed = content.pop("digest", None)
        if signed != _digest(content):
            raise TransferProofError(f"{path}: the digest does not fit: the file was changed after it was written")
        del content["format"]
        shares = [Weighted(Fraction(share[0]), *share[1:]) for share in content.pop("shares")]
        exact = {name: _fractions(content.pop(name)) for name in ("surplus", "welfare", "values", "payments")}
        exact |= {name: _fractions(content.pop(name)) for name in ("last_payments", "fees")}
        content["distributions"] = content.pop("laws", content.get("distributions", []))  # their name in older files
        exact |= {name: _fractions(content.pop(name, [])) for name in ("lower", "upper", "distributions")}
        return TransferProof(**content, **exact, shares=shares)
    except InputError as error:
        raise TransferProofError(str(error)) from None
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        what = f"{type(error).__name__}: {shortened(str(error))}"
        raise TransferProofError(f"{path}: not a proof about transfers, or damaged ({what})") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value


def _fractions(given: Any) -> Any:
    return [_fractions(entry) for entry in given] if isinstance(given, list) else Fraction(given)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
