"""Archives of others: sizes are agreed before anything is inflated, and only regular files are opened."""

import json
import os
import socket
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.archive import open_archive

ENV = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)
MARKOV = mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [[[0.5, 0.5], [0.25, 0.75]]] * 2, [[0.5, 0.5]] * 2, horizon=2)
JOINT = mo.InterdependentTypes.from_markov(MARKOV)
HUGE = 2 * 10**7
"""Numbers of a member: 160 MB, which deflate to less than two."""


def header_of(form, env):
    """What a file of each form says of itself."""
    common = {"fingerprint": env.fingerprint, "notions": ["dic", "epir"], "source": ""}
    return {
        "mechanism": {"format": "mechopt mechanism 1", **common},
        "markov": {"format": "mechopt mechanism 1", "form": "markov", "periods": 2, **common},
        "bank": {"format": "mechopt bank table 1", **common},
        "transfers": {
            "format": "mechopt contingent transfers 1",
            "fingerprint": env.fingerprint,
            "method": "convex",
            "theorem": "",
            "history": False,
            "gain": 0,
            "bound": 0,
            "welfare": 0,
            "utilities": [0],
        },
    }[form]


def deflated_zeros(archive, name, count):
    """A member of ``count`` floats, all 0, written in pieces."""
    description = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({count},), }}".ljust(117) + "\n"
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        member.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(description)) + description.encode())
        for _ in range(count // 10**6):
            member.write(bytes(8 * 10**6))


FORMS = {
    "mechanism": (ENV, ["allocation", "payment"]),
    "markov": (MARKOV, ["allocation", "payment"]),
    "bank": (ENV, ["balances", "allocation", "payment", "share"]),
    "transfers": (JOINT, ["policy_0", "payment_0_0"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_small_archive_of_many_numbers_is_refused_before_it_is_inflated(tmp_path, form):
    env, names = FORMS[form]
    path, text = tmp_path / "bomb.npz", np.frombuffer(json.dumps(header_of(form, env)).encode(), np.uint8)
    np.savez_compressed(path, header=text, rows=np.ones(3, np.int64))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names[:1]:
            deflated_zeros(archive, name, HUGE)
    assert path.stat().st_size < 8 * HUGE / 100
    tracemalloc.start()
    with pytest.raises(mo.InputError, match="larger than this environment asks for"):
        mo.load_mechanism(path, env)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_rows_that_claim_a_large_table_are_refused(tmp_path):
    path, text = tmp_path / "rows.npz", np.frombuffer(json.dumps(header_of("bank", ENV)).encode(), np.uint8)
    for rows in ([2**62, 2**62, 2**62], [10**7, 1, 1], [-1, 2, 2]):
        np.savez_compressed(path, header=text, rows=np.array(rows))
        with pytest.raises(mo.InputError, match="rows are not whole numbers above 0"):
            mo.load_mechanism(path, ENV)


def test_numbers_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    np.savez(path, header=np.frombuffer(b"{}", np.uint8), a=np.ones(1000))
    monkeypatch.setattr("mechopt.core.archive.MEMORY_SHARE", 1e-9)
    with pytest.raises(mo.errors.LimitError, match="bytes of numbers"), open_archive(path) as archive:
        archive.column("a", (1000,))


def test_a_directory_that_claims_more_than_there_is_memory_is_not_read(tmp_path):
    path = tmp_path / "sparse.npz"
    size = 2**32 - 2**20
    with path.open("wb") as file:
        file.truncate(size)  # sparse: no disk
        file.seek(size)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0))
    with pytest.raises(mo.InputError, match="its directory is too large"):
        mo.load_mechanism(path, ENV)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="special files of POSIX")
@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "folder"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "special.npz"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(mo.InputError, match="cannot read"):
        mo.load_mechanism(path, ENV)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_does_not_write_are_refused(tmp_path, method):
    plain, path = tmp_path / "plain.npz", tmp_path / "other.npz"
    np.savez(plain, header=np.frombuffer(b"{}", np.uint8))
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(mo.InputError, match="compressed in a way"):
        mo.load_mechanism(path, ENV)
