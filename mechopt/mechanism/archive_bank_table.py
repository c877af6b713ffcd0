"""A bank table to a file and back; the conventions are those of `mechopt.mechanism.archive`.

The columns ``balances``, ``allocation``, ``payment``, ``after`` and ``share`` hold all periods one after another, each
in the order of its array; ``rows`` is the number of balances of each period.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.archive import DAMAGES, HEADER_BYTES, column_of, require_fingerprint
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.mechanism.constraint_names import notion_named

FORMAT = "mechopt bank table 1"
COLUMNS = {"balances": "f", "allocation": "f", "payment": "f", "after": "i", "share": "f"}
"""Kind of the numbers of each column."""
MAX_BYTES = 2**31
"""Largest column that is read."""


def save_bank_table(table: BankTable, path: str | Path) -> None:
    """Write a bank table; see `BankTable.save`."""
    header = {
        "format": FORMAT,
        "fingerprint": table.environment.fingerprint,
        "notions": [notion.name for notion in table.notions],
        "source": table.source,
    }
    columns = {name: np.concatenate([getattr(p, name).ravel() for p in table.periods]) for name in COLUMNS}
    columns["rows"] = np.array([len(p.balances) for p in table.periods], dtype=np.int64)
    columns["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, **columns))


def load_bank_table(path: str | Path, environment: IndependentTypes) -> BankTable:
    """Read a bank table that was saved for this environment.

    Raises
    ------
    InputError
        If the file is missing, malformed, or belongs to another environment.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(column_of(archive, "header", path, HEADER_BYTES).tobytes())
            if header["format"] != FORMAT:
                raise InputError(f"{path}: format {header['format']!r}, this version reads {FORMAT!r}")
            names, source = [str(name) for name in header["notions"]], str(header["source"])
            require_fingerprint(path, str(header["fingerprint"]), environment)
            rows = column_of(archive, "rows", path, 8 * environment.horizon + HEADER_BYTES)
            columns = {name: column_of(archive, name, path, MAX_BYTES) for name in COLUMNS}
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from None
    except DAMAGES as error:
        raise InputError(f"{path}: not a mechanism file, or damaged ({error}); write one with --save") from None
    if rows.shape != (environment.horizon,) or rows.dtype.kind != "i" or rows.min() < 1:
        raise InputError(f"{path}: rows has shape {rows.shape}, expected {environment.horizon} whole numbers above 0")
    types = np.array([types[0] for types in environment.shape])
    cuts = {name: np.cumsum(rows if name == "balances" else rows * types) for name in COLUMNS}
    for name, kind in COLUMNS.items():
        if columns[name].shape != (int(cuts[name][-1]),) or columns[name].dtype.kind != kind:
            raise InputError(f"{path}: {name} has shape {columns[name].shape}, expected {int(cuts[name][-1])} numbers")
    parts = {name: np.split(columns[name], cuts[name][:-1]) for name in COLUMNS}
    try:
        periods = tuple(
            BankPeriod(parts["balances"][t], *(parts[name][t].reshape(rows[t], -1) for name in list(COLUMNS)[1:]))
            for t in range(environment.horizon)
        )
        return BankTable(environment, periods, tuple(notion_named(name) for name in names), source)
    except InputError as error:
        raise InputError(error.faults, str(path)) from None
