"""A bank table to a file and back; the conventions are those of `mechopt.mechanism.archive`.

The columns ``balances``, ``allocation``, ``payment``, ``after`` and ``share`` hold all periods one after another, each
in the order of its array; ``rows`` is the number of balances of each period.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mechopt.core.archive import open_archive
from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.archive import require_fingerprint
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.mechanism.constraint_names import notion_named

FORMAT = "mechopt bank table 1"
COLUMNS = {"balances": "f", "allocation": "f", "payment": "f", "after": "i", "share": "f"}
"""Kind of the numbers of each column."""
MAX_ROWS = 10**7
"""Most balances of all periods together."""


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
    with open_archive(path) as archive:
        header = archive.header()
        if header["format"] != FORMAT:
            raise InputError(f"{path}: format {header['format']!r}, this version reads {FORMAT!r}")
        names, source = [str(name) for name in header["notions"]], str(header["source"])
        require_fingerprint(path, str(header["fingerprint"]), environment)
        rows = archive.column("rows", (environment.horizon,), kinds="i").astype(np.int64)
        if rows.min() < 1 or rows.max() > MAX_ROWS or rows.sum() > MAX_ROWS:
            raise InputError(f"{path}: rows are not whole numbers above 0 with a sum of at most {MAX_ROWS:,}")
        types = np.array([types[0] for types in environment.shape])
        cuts = {name: np.cumsum(rows if name == "balances" else rows * types) for name in COLUMNS}
        sizes = {name: int(cuts[name][-1]) for name in COLUMNS}
        archive.require_memory(8 * sum(sizes.values()))
        columns = {name: archive.column(name, (sizes[name],), kinds=kind) for name, kind in COLUMNS.items()}
    parts = {name: np.split(columns[name], cuts[name][:-1]) for name in COLUMNS}
    try:
        periods = tuple(
            BankPeriod(parts["balances"][t], *(parts[name][t].reshape(rows[t], -1) for name in list(COLUMNS)[1:]))
            for t in range(environment.horizon)
        )
        return BankTable(environment, periods, tuple(notion_named(name) for name in names), source)
    except InputError as error:
        raise InputError(error.faults, str(path)) from None
