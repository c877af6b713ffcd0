"""A mechanism of any form to a file and back; all ``.npz`` files of mechanisms are written and read here.

The file is a numpy ``.npz`` archive without pickles: a JSON ``header`` with the format, the environment's fingerprint,
the claims (under the key ``constraints``) and the source, and columns of numbers, all periods one after another, each
in the order of its array:

- `Mechanism` and `SequenceMechanism`: ``allocation`` and ``payment``;
- `MarkovMechanism`: the same, actions in place of weights, and ``"form": "markov"`` in the header;
- `BankTable`: ``balances``, ``allocation``, ``payment``, ``after``, ``share``, and ``rows``, the number of balances of
  each period.

Formats of rooms above this one are registered (`mechopt.registrations`). A file is bound to its environment: another
one refuses it. Sizes are agreed before anything is inflated; see `mechopt.core.archive`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import singledispatch
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mechopt.core.archive import Archive, open_archive
from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError, LimitError, shortened
from mechopt.core.numbers import Array, FloatArray
from mechopt.core.provided import provided, registered
from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.environment.scenarios import Scenarios
from mechopt.environment.separable import SeparableTypes
from mechopt.histories.public import PublicTree
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.protocol import AnyTypes, MechanismProtocol, Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism

FORMAT = "mechopt mechanism 1"
BANK_FORMAT = "mechopt bank table 1"
BANK_COLUMNS = {"balances": "f", "allocation": "f", "payment": "f", "after": "i", "share": "f"}
"""Kind of the numbers of each column of a bank table."""
MAX_ROWS = 10**7
"""Most balances of all periods of a bank table together."""
MAX_PERIODS = 10**6
"""Most periods with transfers of their own, of a mechanism of current reports."""

Header = dict[str, Any]
Contents = tuple[Header, Mapping[str, Array]]
Shapes = list[tuple[int, ...]]
Arrays = tuple[FloatArray, ...]


@singledispatch
def contents(mechanism: Any) -> Contents:
    """Contents of a mechanism's file: the header but for the fingerprint, and the columns.

    The forms of this room are registered here, those of others in `mechopt.registrations`; every other mechanism is
    written out as its ``to_mechanism`` does.
    """
    try:
        function = provided(mechanism, "contents")
    except LookupError:
        if not isinstance(mechanism, Unrollable):
            raise InputError(
                f"a {type(mechanism).__name__} is in no form that is saved; give it a to_mechanism()"
            ) from None
        return contents(mechanism.to_mechanism())
    found: Contents = function(mechanism)
    return found


@contents.register(Mechanism)
def _(mechanism: Mechanism) -> Contents:
    columns = {"allocation": _column(mechanism.allocation), "payment": _column(mechanism.payment)}
    share = {} if mechanism.guarantee is None else {"guarantee": str(mechanism.guarantee)}
    return described(mechanism, FORMAT) | share, columns


@contents.register(SequenceMechanism)
def _(mechanism: SequenceMechanism) -> Contents:
    columns = {"allocation": _column(mechanism.allocation), "payment": _column(mechanism.payment)}
    tree = mechanism.tree
    return described(mechanism, FORMAT) | {"reports": tree.reports, "record": tree.record}, columns


@contents.register(MarkovMechanism)
def _(mechanism: MarkovMechanism) -> Contents:
    columns = {
        "allocation": _column(mechanism.policy).astype(np.float64),
        "payment": _column([part for row in mechanism.transfer for part in row]),
    }
    return described(mechanism, FORMAT) | {"form": "markov", "periods": mechanism.periods}, columns


@contents.register(BankTable)
def _(mechanism: BankTable) -> Contents:
    columns = {name: _column([getattr(part, name) for part in mechanism.periods]) for name in BANK_COLUMNS}
    columns["rows"] = np.array([len(part.balances) for part in mechanism.periods], dtype=np.int64)
    return described(mechanism, BANK_FORMAT), columns


def described(mechanism: Any, written: str) -> Header:
    """The header of a mechanism but for what its form adds."""
    return {
        "format": written,
        "fingerprint": mechanism.environment.fingerprint,
        "notions": [claim.name for claim in mechanism.claims],
        "source": mechanism.source,
    }


def _column(arrays: Iterable[Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays])


def save(mechanism: MechanismProtocol, path: str | Path) -> None:
    """Write a mechanism to a file, whole or not at all; read it with `load_mechanism`.

    Parameters
    ----------
    mechanism : Mechanism, SequenceMechanism, MarkovMechanism, StateMechanism, BankTable or ContingentTransfers
        Or something with ``to_mechanism`` that gives one of these.
    path : path

    Raises
    ------
    InputError
        If the file cannot be written, or the mechanism cannot be written out.
    LimitError
        If there are too many histories to write it out.
    """
    header, columns = contents(mechanism)
    write_atomically(
        path,
        lambda file: np.savez_compressed(
            file, allow_pickle=False, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **columns
        ),
    )


def load_mechanism(path: str | Path, environment: AnyTypes | IndependentForever | Scenarios) -> Any:
    """Read a mechanism that was saved for this environment.

    What contingent transfers say of their welfare, utilities and gain is compared with what they do and charge.

    Parameters
    ----------
    path : path
    environment : IndependentTypes, MarkovTypes, SeparableTypes, InterdependentTypes or Scenarios
        The one that it was made for.

    Returns
    -------
    Mechanism, SequenceMechanism, MarkovMechanism, StateMechanism, BankTable, ContingentTransfers, ScenariosMechanism
    or VirtualPivot
        By what the file says.

    Raises
    ------
    InputError
        If the file is missing, malformed, belongs to another environment, or says something wrong of itself.
    LimitError
        If it holds more numbers than fit into memory.
    """
    if isinstance(environment, IndependentForever):
        environment = environment.to_markov()
    with open_archive(path) as archive:
        header = archive.header()
        written = str(header["format"])
        if isinstance(environment, SeparableTypes) and written == FORMAT:
            environment = _unfolded(environment, str(header["fingerprint"]))
        read = _reader(written, header.get("form"))
        if read is None:
            raise InputError(f"{path}: format {written!r}, this version reads {FORMAT!r}")
        return read(archive, header, environment)


def _unfolded(environment: SeparableTypes, fingerprint: str) -> MarkovTypes:
    """The Markov form that a file is for: with types who are left out at contracting, or without."""
    usual = environment.to_markov()
    if usual.fingerprint == fingerprint:
        return usual
    try:
        other = environment.to_markov(exclusion=not environment.exclusion_matters)
    except (InputError, LimitError):
        return usual
    return other if other.fingerprint == fingerprint else usual


def _reader(written: str, form: Any) -> Callable[[Archive, Header, Any], Any] | None:
    if written == FORMAT:
        return read_stationary if form == "markov" else _read_histories
    return _read_bank_table if written == BANK_FORMAT else registered(f"archive.{written}")


def require_fingerprint(archive: Archive, header: Header, environment: AnyTypes | Scenarios) -> None:
    """Refuse a file that was made for another environment."""
    fingerprint = str(header["fingerprint"])
    if fingerprint != environment.fingerprint:
        raise InputError(
            f"{archive.path}: made for another environment (fingerprint {fingerprint[:12]}, "
            f"this one is {environment.fingerprint[:12]}); give the model file that it was made from"
        )


def claims_of(header: Header) -> tuple[Constraint, ...]:
    """Constraints that a file says its mechanism satisfies."""
    return tuple(constraint_named(str(name)) for name in header["notions"])


def _read_histories(archive: Archive, header: Header, environment: Any) -> Mechanism | SequenceMechanism:
    """Read a mechanism over histories, of reports or public ones."""
    require_fingerprint(archive, header, environment)
    claims, source = claims_of(header), str(header["source"])
    if isinstance(environment, IndependentTypes):
        histories = HistoryTree(environment)
        shapes: Shapes = [(environment.agents, *histories.children(t)) for t in range(histories.horizon)]
        arrays = _both(archive, shapes, shapes)
        return Mechanism(environment, *arrays, claims, source, _guarantee(archive, header))
    tree = PublicTree(joint_process(environment), str(header["reports"]), str(header["record"]))
    n, counts = tree.process.agents, tree.count
    weights: Shapes = list(zip(counts, tree.process.actions, strict=True))
    paid: Shapes = [(n, count, branch) for count, branch in zip(counts, tree.branches, strict=True)]
    return SequenceMechanism(tree, *_both(archive, weights, paid), claims, source)


def _guarantee(archive: Archive, header: Header) -> Fraction | None:
    """The share that a file says is proved."""
    written = header.get("guarantee")
    if written is None:
        return None
    found = re.fullmatch(r"([0-9]{1,50})(?:/([0-9]{1,50}))?", str(written))
    share = Fraction(int(found[1]), int(found[2] or 1)) if found and int(found[2] or 1) else None
    if share is None or share > 1:
        what = f"guarantee {shortened(repr(written))} is not a share from 0 to 1"
        raise InputError(f"{archive.path}: {what}; the file is damaged")
    return share


def _both(archive: Archive, allocation: Shapes, payment: Shapes) -> tuple[Arrays, Arrays]:
    sizes = [(sum(map(prod, shapes)),) for shapes in (allocation, payment)]
    columns = [archive.column(name, size) for name, size in zip(("allocation", "payment"), sizes, strict=True)]
    return _parts(columns[0], allocation), _parts(columns[1], payment)


def read_stationary(archive: Archive, header: Header, environment: Any) -> MarkovMechanism:
    """Read a mechanism of current reports alone."""
    path = archive.path
    if not isinstance(environment, MarkovTypes):
        raise InputError(f"{path}: a mechanism of current reports, which is for kind 'markov'")
    require_fingerprint(archive, header, environment)
    periods, infinite = int(header["periods"]), environment.infinite
    if not 1 <= periods <= MAX_PERIODS or (not infinite and periods != environment.stages):
        raise InputError(f"{path}: has {periods} periods of transfers; the file is damaged")
    shapes = list(environment.shape)
    transfers = [environment.shape[0 if infinite else t] for t in range(periods)] * environment.agents
    policy, paid = _both(archive, shapes, transfers)
    for name, parts in (("allocation", policy), ("payment", paid)):
        if not all(np.isfinite(part).all() for part in parts):
            raise InputError(f"{path}: {name} does not hold finite floats; the file is damaged")
    if any((part != np.floor(part)).any() for part in policy):
        raise InputError(f"{path}: allocation holds something else than actions; the file is damaged")
    rows = tuple(paid[i * periods : (i + 1) * periods] for i in range(environment.agents))
    actions = tuple(part.astype(np.int64) for part in policy)
    return MarkovMechanism(environment, actions, rows, claims_of(header), str(header["source"]))


def _read_bank_table(archive: Archive, header: Header, environment: Any) -> BankTable:
    """Read the tables of a bank account mechanism."""
    path = archive.path
    if not isinstance(environment, IndependentTypes):
        raise InputError(f"{path}: a bank account mechanism, which is for types that are independent across periods")
    require_fingerprint(archive, header, environment)
    claims, source = claims_of(header), str(header["source"])
    rows = archive.column("rows", (environment.horizon,), kinds="i").astype(np.int64)
    if rows.min() < 1 or rows.max() > MAX_ROWS or rows.sum() > MAX_ROWS:
        raise InputError(f"{path}: rows are not whole numbers above 0 with a sum of at most {MAX_ROWS:,}")
    types = np.array([counts[0] for counts in environment.shape])
    cuts = {name: np.cumsum(rows if name == "balances" else rows * types) for name in BANK_COLUMNS}
    sizes = {name: int(cut[-1]) for name, cut in cuts.items()}
    archive.require_memory(8 * sum(sizes.values()))
    columns = {name: archive.column(name, (sizes[name],), kinds=kind) for name, kind in BANK_COLUMNS.items()}
    parts = {name: np.split(columns[name], cuts[name][:-1]) for name in BANK_COLUMNS}
    periods = tuple(
        BankPeriod(parts["balances"][t], *(parts[name][t].reshape(rows[t], -1) for name in list(BANK_COLUMNS)[1:]))
        for t in range(environment.horizon)
    )
    return BankTable(environment, periods, claims, source)


def _parts(column: Array, shapes: Sequence[tuple[int, ...]]) -> Arrays:
    """Cut one column into arrays of these shapes."""
    parts = np.split(column.astype(np.float64), np.cumsum([prod(shape) for shape in shapes])[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
