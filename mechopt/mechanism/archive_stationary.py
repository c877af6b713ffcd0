"""A `MarkovMechanism` to a file and back: the format of `mechopt.mechanism.archive`, actions in place of weights."""

from __future__ import annotations

import json
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.archive import DAMAGES, FORMAT, HEADER_BYTES, column_of, periods_of, require_fingerprint
from mechopt.mechanism.constraint_names import notion_named
from mechopt.mechanism.stationary import MarkovMechanism

MAX_PERIODS = 10**6


def save_markov(mechanism: MarkovMechanism, path: str | Path) -> None:
    """Write a mechanism; see `MarkovMechanism.save`."""
    header = {
        "format": FORMAT,
        "form": "markov",
        "fingerprint": mechanism.environment.fingerprint,
        "notions": [notion.name for notion in mechanism.notions],
        "source": mechanism.source,
        "periods": mechanism.periods,
    }
    write_atomically(
        path,
        lambda file: np.savez_compressed(
            file,
            header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
            allocation=np.concatenate([part.ravel() for part in mechanism.policy]).astype(np.float64),
            payment=np.concatenate([part.ravel() for row in mechanism.transfer for part in row]),
        ),
    )


def load_markov(path: str | Path, environment: MarkovTypes) -> MarkovMechanism:
    """Read a mechanism that was saved for this environment.

    Raises
    ------
    InputError
        If the file is missing, malformed, of another form, or belongs to another environment.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(column_of(archive, "header", path, HEADER_BYTES).tobytes())
            if header["format"] != FORMAT or header["form"] != "markov":
                raise InputError(f"{path}: not a mechanism of current reports alone; read it with load_mechanism")
            return read_markov(archive, header, environment, path)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(error.faults, str(path)) from None
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from None
    except DAMAGES as error:
        raise InputError(f"{path}: not a mechanism file, or damaged ({error}); write one with --save") from None


def read_markov(
    archive: zipfile.ZipFile, header: dict[str, Any], environment: MarkovTypes, path: str | Path
) -> MarkovMechanism:
    """Read the columns of an open file of this form."""
    require_fingerprint(path, str(header["fingerprint"]), environment)
    periods, infinite = int(header["periods"]), environment.infinite
    if not 1 <= periods <= MAX_PERIODS or (not infinite and periods != environment.stages):
        raise InputError(f"{path}: has {periods} periods of transfers; the file is damaged")
    transfers = [environment.shape[0 if infinite else t] for t in range(periods)] * environment.agents
    columns = list[Array]()
    for name, shapes in (("allocation", list(environment.shape)), ("payment", transfers)):
        size = sum(map(prod, shapes))
        column = column_of(archive, name, path, 8 * size + HEADER_BYTES)
        if column.shape != (size,) or column.dtype.kind != "f" or not np.isfinite(column).all():
            raise InputError(f"{path}: {name} does not hold {size} finite floats; the file is damaged")
        columns.append(column)
    policy = periods_of(columns[0], list(environment.shape))
    if any((part != np.floor(part)).any() for part in policy):
        raise InputError(f"{path}: allocation holds something else than actions; the file is damaged")
    paid = periods_of(columns[1], transfers)
    rows = tuple(paid[i * periods : (i + 1) * periods] for i in range(environment.agents))
    notions = tuple(notion_named(str(name)) for name in header["notions"])
    return MarkovMechanism(environment, tuple(p.astype(np.int64) for p in policy), rows, notions, str(header["source"]))
