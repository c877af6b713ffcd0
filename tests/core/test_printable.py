"""Text of files on its way out: nothing that a terminal, a page or a reader of messages would obey."""

import io
import json
import tomllib

import pytest

import mechopt as mo
from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.printable import escaped_json, printable
from mechopt.modelfile.writing import model_text
from mechopt.show.figures.axes import own_axes, save_picture
from mechopt.show.terminal.console import say, show_table

NASTY = {
    "escape": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "c1": "\x9b31m",
    "bidi": "\u202egnp.exe\u202c",
    "isolate": "\u2066a\u2069",
    "zero-width": "a\u200bb",
    "line": "a\nstatus  optimal",
    "return": "a\rb",
    "separator": "a\u2028b",
    "tag": "a\U000e0041b",
    "delete": "a\x7fb",
    "formula": "$\\frac{$",
}


EVERY = " ".join(NASTY.values())


def clean(text):
    return all(c.isprintable() or c == "\n" for c in text)


def quoted(text):
    """A TOML string."""
    return '"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"'


def model(text, **changes):
    """A model of two agents whose every name is the text."""
    name = quoted(text)
    return f"""
title = {name}
source = {name}
kind = "markov"
horizon = 1
actions = [{name}, "other"]
[[agents]]
name = {name}
types = [{name}, "b"]
initial = [0.5, 0.5]
values = [[0, 0], [1, 2]]
kernel = [[0.75, 0.25], [0.25, 0.75]]
"""


@pytest.fixture(params=NASTY.values(), ids=NASTY)
def nasty(request):
    return request.param


def test_printable_keeps_what_is_shown_and_nothing_else(nasty):
    assert printable(nasty).isprintable()
    assert printable("Größe 3 ≤ 4 漢字") == "Größe 3 ≤ 4 漢字"
    assert printable("a\nb", keep="\n") == "a\nb"


def test_a_null_character_and_half_a_character_are_not_printed():
    assert printable("a\0b\ud83d") == "a?b?"


@pytest.mark.parametrize("command", [["solve"], ["compare"], ["size"], ["frontier"], ["transfers"]], ids=lambda c: c[0])
def test_commands_print_titles_and_names_of_files_safely(command, tmp_path, mechopt):
    path = tmp_path / "m.toml"
    path.write_text(model(EVERY))
    for options in ([], [] if command == ["compare"] else ["--json"]):
        _, out, err = mechopt(*command, path, *options)
        assert clean(out) and clean(err)
        assert "status  optimal" not in out.splitlines()


@pytest.mark.parametrize("key", ["unknown", "buyers", "expected"])
def test_unknown_keys_are_named_safely(key, tmp_path, mechopt):
    path = tmp_path / "m.toml"
    head = 'kind = "independent"\nhorizon = 1\n'
    buyers = "values = [1]\nprobabilities = [1]\n"
    text = {
        "unknown": f"{quoted(EVERY)} = 1\n{head}[[buyers]]\n{buyers}",
        "buyers": f"{head}[[buyers]]\n{buyers}{quoted(EVERY)} = 1\n",
        "expected": f"{head}[[buyers]]\n{buyers}[expected]\n{quoted(EVERY)} = [1]\n",
    }[key]
    path.write_text(text)
    status, out, err = mechopt("solve", path)
    assert status == 2 and out == "" and clean(err)
    assert len(err.splitlines()) == 1  # a line end in a key forges no message


def test_names_of_files_are_printed_safely(tmp_path, mechopt):
    for command in (["solve"], ["sweep"], ["fit"], ["size"]):
        _, _, err = mechopt(*command, tmp_path / EVERY)
        assert err and clean(err)


def test_columns_of_data_are_printed_safely(tmp_path, mechopt):
    path = tmp_path / "d.csv"
    path.write_text(f'"{EVERY}",b\n1,2\n2,3\n', newline="")
    for options in (
        [],
        ["--value", "c"],
        ["--value", EVERY, "--save", tmp_path / "m.toml"],
        ["--value", EVERY, "--json"],
    ):
        _, out, err = mechopt("fit", path, *options)
        assert clean(out) and clean(err)


def test_errors_of_the_library_are_printable(nasty):
    for error in (
        InputError(nasty),
        InputError([Fault(nasty, nasty, nasty), Fault("b", nasty)], nasty),
        LimitError(nasty),
        mo.errors.MechoptError(nasty) if hasattr(mo, "MechoptError") else LimitError(nasty),
    ):
        assert clean(str(error))
    assert len(str(InputError([Fault("a", nasty), Fault("b", nasty)])).splitlines()) == 2


def test_json_says_the_same_without_such_characters(nasty):
    for text in (nasty, "\0", "\ud83d", "\U0001f600"):
        document = escaped_json(json.dumps({text: text}, ensure_ascii=False, indent=1))
        assert json.loads(document) == {text: text} and clean(document)


def test_model_files_that_we_write_say_the_same_without_such_characters(nasty):
    text = model_text({"title": nasty, nasty: nasty}, [nasty])
    assert tomllib.loads(text) == {"title": nasty, nasty: nasty} and clean(text)


def test_tables_on_a_terminal_are_printable(nasty, capsys):
    show_table([nasty, "b"], [[nasty, nasty]])
    say(nasty)
    assert clean(capsys.readouterr().out)


def test_letters_that_the_terminal_lacks_are_written_as_escapes(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    say("≤ 漢")
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u2264 \\u6f22\n"


def test_pages_show_names_safely(tmp_path, mechopt):
    path, page = tmp_path / "m.toml", tmp_path / "p.html"
    path.write_text(model(EVERY))
    status, _, err = mechopt("compare", path, "--report", page)
    assert status == 0, err
    text = page.read_text()
    assert all(c.isprintable() or c in "\n\t\u00a0\u2009\u202f" for c in text)
    assert "<script>alert" not in text


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_show_names_as_they_are(ending, tmp_path):
    def draw():
        axes = own_axes(None, 3, 2)
        axes.set_title(EVERY)
        axes.set_xlabel(EVERY)
        axes.plot([1, 2], [1, 2], label=EVERY)
        axes.legend()
        return axes

    save_picture(draw, tmp_path / f"p.{ending}")
    assert (tmp_path / f"p.{ending}").stat().st_size > 1000
    if ending == "svg":
        assert clean((tmp_path / "p.svg").read_text())


def test_a_sweep_over_a_key_with_such_a_name_is_printed_safely(tmp_path, mechopt):
    (tmp_path / "m.toml").write_text(model(EVERY))
    study = f'title = {quoted(EVERY)}\nmodel = "m.toml"\n[grid]\n"agents.0.values.1.0" = [0, 1]\n'
    (tmp_path / "s.toml").write_text(study)
    _, out, err = mechopt("sweep", tmp_path / "s.toml", "--out", tmp_path / "out", "--plot", tmp_path / "p.svg")
    assert clean(out) and clean(err)
