"""Files that cannot be read as model files, and texts that can."""

import os
import threading
from pathlib import Path

import pytest

import mechopt as mo
from mechopt.modelfile import text
from tests.modelfile.independent_files import GOOD, table, with_values


@pytest.mark.parametrize("written", ["\ufeff" + GOOD, GOOD.replace("\n", "\r\n")], ids=["byte-order-mark", "crlf"])
def test_texts_of_other_editors_are_read(written, tmp_path):
    path = tmp_path / "model.toml"
    path.write_bytes(written.encode())
    assert mo.load(path) == mo.loads(GOOD)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(50 * 2**20)


UNREADABLE = {
    "empty": (lambda path: path.write_text(""), "is empty; see mechopt schema"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 9), "is not a UTF-8 text; model files are TOML"),
    "50-megabytes": (sparse, "52,428,800 bytes; model files have at most 10,000,000"),
    "folder": (lambda path: path.mkdir(), "is a folder; give one of the .toml files in it"),
    "absent": (lambda path: None, "no such file; mechopt models lists the bundled ones"),
    "broken-line": (lambda path: path.write_text(GOOD + "x = = 1"), "not valid TOML: Invalid value (at line"),
    "5000-digits": (lambda path: path.write_text(with_values(f"[{'9' * 5000}]")), "5000 digits"),
    "deep": (lambda path: path.write_text(with_values("[" * 5000)), "not valid TOML"),
}


@pytest.mark.parametrize(("make", "words"), table(UNREADABLE))
def test_unreadable_file(make, words, mechopt, tmp_path):
    path = tmp_path / "model.toml"
    make(path)
    status, out, err = mechopt("solve", path)
    assert (status, out) == (2, "")
    assert err.startswith(f"mechopt: {path}: ")
    assert words in err


def test_name_near_a_bundled_one():
    with pytest.raises(mo.InputError, match="no such file; did you mean the bundled mirrokni-2020/two-values-three-pe"):
        mo.load("two-values-three-periods")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"], ids=["name-too-long", "name-with-nul"])
def test_impossible_name(name):
    with pytest.raises(mo.InputError, match="cannot read"):
        mo.load(name)


@pytest.mark.parametrize("operation", ["stat", "open"], ids=["folder-not-searchable", "file-not-readable"])
def test_missing_permission(operation, tmp_path, monkeypatch):
    path, original = tmp_path / "model.toml", getattr(Path, operation)
    path.write_text(GOOD)

    def refuse(self, *args, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return original(self, *args, **options)

    monkeypatch.setattr(Path, operation, refuse)
    with pytest.raises(mo.InputError, match=r"model\.toml: cannot read \(Permission denied\)"):
        mo.load(path)


def test_what_grows_while_it_is_read_stops_at_the_limit(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe.toml"  # has size 0 until it is read
    os.mkfifo(pipe)
    monkeypatch.setattr(text, "MAX_FILE_BYTES", 100)
    writer = threading.Thread(target=pipe.write_text, args=(GOOD + "#" * 1000,))
    writer.start()
    with pytest.raises(mo.InputError, match="at most 100"):
        mo.load(pipe)
    writer.join()
