"""A mechanism to a file and back.

The file is a numpy ``.npz`` archive without pickles: the columns ``allocation`` and ``payment`` (all periods one after
another, each in the order of its array) and a JSON ``header`` with the format, the environment's fingerprint, the
notions and the source. It is bound to its environment: another one refuses it.
"""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import MovingEnvironment, joint_process
from mechopt.environment.separable import SeparableTypes
from mechopt.histories.public import PublicTree
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.constraint_names import notion_named
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism

AnyTypes = IndependentTypes | MovingEnvironment
AnyMechanism = Mechanism | SequenceMechanism | MarkovMechanism | BankTable
FORMAT = "mechopt mechanism 1"
BANK_FORMAT = "mechopt bank table 1"
HEADER_BYTES = 65536
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    LookupError,
    ValueError,
    TypeError,
    EOFError,
    OverflowError,
    RuntimeError,  # encrypted, an unknown compression, a header nested without end
)
"""What Python and numpy raise on the files of others."""


def save(mechanism: Mechanism | SequenceMechanism, path: str | Path) -> None:
    """Write a mechanism; see `Mechanism.save` and `SequenceMechanism.save`."""
    header = {
        "format": FORMAT,
        "fingerprint": mechanism.environment.fingerprint,
        "notions": [notion.name for notion in mechanism.notions],
        "source": mechanism.source,
    }
    if isinstance(mechanism, SequenceMechanism):
        header |= {"reports": mechanism.tree.reports, "record": mechanism.tree.record}

    def column(arrays: Sequence[FloatArray]) -> FloatArray:
        return np.concatenate([array.ravel() for array in arrays])

    write_atomically(
        path,
        lambda file: np.savez_compressed(
            file,
            header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
            allocation=column(mechanism.allocation),
            payment=column(mechanism.payment),
        ),
    )


def load_mechanism(path: str | Path, environment: AnyTypes) -> AnyMechanism:
    """Read a mechanism that was saved for this environment.

    Parameters
    ----------
    path : path
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        The one that it was made for.

    Raises
    ------
    InputError
        If the file is missing, malformed, or belongs to another environment.
    """
    if isinstance(environment, SeparableTypes):
        environment = environment.to_markov()
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(column_of(archive, "header", path, HEADER_BYTES).tobytes())
            if header["format"] == BANK_FORMAT:
                return _bank_table(path, environment)
            if header.get("form") == "markov":
                return _markov(path, environment)
            if header["format"] != FORMAT:
                raise InputError(f"{path}: format {header['format']!r}, this version reads {FORMAT!r}")
            names, source = [str(name) for name in header["notions"]], str(header["source"])
            require_fingerprint(path, str(header["fingerprint"]), environment)
            if isinstance(environment, IndependentTypes):
                shapes = _fresh_shapes(HistoryTree(environment))
            else:
                tree = PublicTree(joint_process(environment), str(header["reports"]), str(header["record"]))
                shapes = _moving_shapes(tree)
            limit = 8 * max(sum(map(prod, part)) for part in shapes) + HEADER_BYTES
            allocation, payment = (column_of(archive, name, path, limit) for name in ("allocation", "payment"))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(error.faults, str(path)) from None
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from None
    except DAMAGES as error:
        raise InputError(f"{path}: not a mechanism file, or damaged ({error}); write one with --save") from None
    sizes = [(sum(map(prod, part)),) for part in shapes]
    if [allocation.shape, payment.shape] != sizes or {allocation.dtype.kind, payment.dtype.kind} != {"f"}:
        found = f"columns of {allocation.shape} and {payment.shape}"
        wanted = " and ".join(dict.fromkeys(str(size) for (size,) in sizes))
        raise InputError(f"{path}: {found}, expected {wanted} floats each")
    try:
        notions = tuple(notion_named(name) for name in names)
        parts = periods_of(allocation, shapes[0]), periods_of(payment, shapes[1])
        if isinstance(environment, IndependentTypes):
            return Mechanism(environment, *parts, notions, source)
        return SequenceMechanism(tree, *parts, notions, source)
    except InputError as error:
        raise InputError(error.faults, str(path)) from None


def _markov(path: str | Path, environment: AnyTypes) -> MarkovMechanism:
    from mechopt.mechanism.archive_stationary import load_markov

    if not isinstance(environment, MarkovTypes):
        raise InputError(f"{path}: a mechanism of current reports, which is for kind 'markov'")
    return load_markov(path, environment)


def _bank_table(path: str | Path, environment: AnyTypes) -> BankTable:
    from mechopt.mechanism.archive_bank_table import load_bank_table

    if not isinstance(environment, IndependentTypes):
        raise InputError(f"{path}: a bank account mechanism, which is for types drawn afresh each period")
    return load_bank_table(path, environment)


Shapes = list[tuple[int, ...]]


def _fresh_shapes(tree: HistoryTree) -> tuple[Shapes, Shapes]:
    """Shapes by period of allocations and of payments: ``(n, count[t], *types[t])``."""
    shapes: Shapes = [(tree.environment.agents, *tree.children(t)) for t in range(tree.horizon)]
    return shapes, shapes


def _moving_shapes(tree: PublicTree) -> tuple[Shapes, Shapes]:
    """The same of a `SequenceMechanism`."""
    n, counts = tree.process.agents, tree.count
    allocation: Shapes = list(zip(counts, tree.process.actions, strict=True))
    return allocation, [(n, count, branch) for count, branch in zip(counts, tree.branches, strict=True)]


def require_fingerprint(path: str | Path, fingerprint: str, environment: AnyTypes) -> None:
    """Refuse a file that was made for another environment."""
    if fingerprint != environment.fingerprint:
        raise InputError(
            f"{path}: made for another environment (fingerprint {fingerprint[:12]}, "
            f"this one is {environment.fingerprint[:12]}); give the model file that it was made from"
        )


def column_of(archive: zipfile.ZipFile, name: str, path: str | Path, limit: int) -> Array:
    """Read one column of at most ``limit`` bytes; its header is believed only as far as there are bytes behind it."""
    if archive.getinfo(f"{name}.npy").file_size > limit:
        raise InputError(f"{path}: {name} is larger than this environment asks for; the file is damaged")
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if prod(shape) * dtype.itemsize != archive.getinfo(f"{name}.npy").file_size - file.tell():
            raise InputError(f"{path}: {name} has shape {shape}, but not as many numbers; the file is damaged")
    with archive.open(f"{name}.npy") as file:
        column: Array = np.lib.format.read_array(file, allow_pickle=False)
    return column


def periods_of(column: FloatArray, shapes: Shapes) -> tuple[FloatArray, ...]:
    """Cut one column into arrays of these shapes."""
    parts = np.split(column.astype(np.float64), np.cumsum([prod(shape) for shape in shapes])[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
