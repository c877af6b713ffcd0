"""Everything that writes: whole or not at all, regular files only, before any work; links are followed."""

import os
import socket

import pytest

import mechopt as mo
import mechopt.solve.exact.guarantee  # before its certify is replaced in a test
from mechopt.core.atomic import require_target, write_atomically
from mechopt.show.figures.axes import save_picture
from mechopt.study.search.worst_case import Family, worst_case
from mechopt.study.search.worst_file import write_worst

MODEL = 'kind = "independent"\nhorizon = 2\n[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'
SPECIAL = ["folder", "fifo", "socket", "device", "link-to-device", "loop", "no-folder"]
posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="special files of POSIX")


def special(folder, kind, name):
    """A path where nothing may be written."""
    path = folder / name
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "device":
        make_device(path)
    elif kind == "link-to-device":
        make_device(folder / "device")
        path.symlink_to("device")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        return folder / "absent" / name
    return path


def make_device(path):
    """A device of the test's own: were it replaced, the system's would not be. Who may not make one gets a link."""
    try:
        os.mknod(path, 0o020666, os.makedev(1, 5))  # zeros
    except PermissionError:
        if os.geteuid() == 0:
            pytest.skip("no device can be made here")
        path.symlink_to("/dev/zero")


def state(path):
    """What tells a file from another: kind, node and size."""
    found = os.lstat(path)
    return found.st_mode, found.st_ino, found.st_size


@posix
@pytest.mark.parametrize("kind", SPECIAL)
def test_nothing_is_written_where_no_regular_file_may_be(tmp_path, kind):
    path = special(tmp_path, kind, "m.npz")
    before = None if kind == "no-folder" else state(path)
    with pytest.raises(mo.InputError, match="cannot write"):
        write_atomically(path, lambda file: pytest.fail("was asked to write"))
    assert before is None or state(path) == before
    assert set(os.listdir(tmp_path)) <= {"m.npz", "device"}


@posix
def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    target, link, second = tmp_path / "there" / "file", tmp_path / "link", tmp_path / "second"
    target.write_text("old")
    link.symlink_to("there/file")
    second.symlink_to("link")
    write_atomically(second, lambda file: file.write(b"new"))
    assert second.is_symlink() and link.is_symlink()
    assert not target.is_symlink() and target.read_text() == "new"
    assert os.listdir(tmp_path / "there") == ["file"]


@posix
def test_a_link_to_nothing_makes_the_file_that_it_names(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("made")
    write_atomically(link, lambda file: file.write(b"new"))
    assert link.is_symlink() and (tmp_path / "made").read_text() == "new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_what_fails_on_the_way_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def write(file):
        file.write(b"half")
        raise error

    with pytest.raises((mo.InputError, KeyboardInterrupt, ValueError)):
        write_atomically(path, write)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, ""])
def test_names_that_cannot_be_are_refused(tmp_path, name):
    with pytest.raises(mo.InputError, match="cannot write"):
        require_target(str(tmp_path / name))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(MODEL)
    return path


COMMANDS = {
    "save": ("solve MODEL --save {}", "m.npz", "mechopt.solve.optimum.optimum"),
    "proof": ("solve MODEL --proof {}", "p.json", "mechopt.solve.optimum.optimum"),
    "mps": ("solve MODEL --export {}", "m.mps", "mechopt.solve.optimum.optimum"),
    "certificate": ("certificate make MODEL {}", "p.json", "mechopt.solve.exact.certify.certify"),
    "plot": ("compare MODEL --plot {}", "p.png", "mechopt.study.compare.compare.compare"),
    "report": ("compare MODEL --report {}", "p.html", "mechopt.study.compare.compare.compare"),
    "frontier-csv": ("frontier MODEL --csv {}", "f.csv", "mechopt.study.frontier.frontier.frontier"),
    "frontier-plot": ("frontier MODEL --plot {}", "f.svg", "mechopt.study.frontier.frontier.frontier"),
    "transfers": ("transfers MODEL --save {}", "t.npz", "mechopt.study.transfers.study_transfers"),
    "fit": ("fit DATA --value v --save {}", "m.toml", "mechopt.study.fit.values.fit_values"),
    "sweep-plot": ("sweep horizons --out OUT --plot {}", "p.png", "mechopt.study.sweep.sweep.sweep"),
    "sweep-report": ("sweep horizons --out OUT --report {}", "p.html", "mechopt.study.sweep.sweep.sweep"),
}


@posix
@pytest.mark.parametrize("kind", ["fifo", "link-to-device", "folder", "no-folder"])
@pytest.mark.parametrize("writer", COMMANDS)
def test_commands_refuse_before_the_work(tmp_path, model, mechopt, monkeypatch, writer, kind):
    command, name, work = COMMANDS[writer]
    path = special(tmp_path, kind, name)
    before = None if kind == "no-folder" else state(path)
    (tmp_path / "data.csv").write_text("v\n1\n2\n")

    def done(*arguments, **options):
        pytest.fail("the work was begun")

    monkeypatch.setattr(work, done)
    parts = command.format(path).split()
    places = {"MODEL": str(model), "DATA": str(tmp_path / "data.csv"), "OUT": str(tmp_path / "out")}
    status, out, err = mechopt(*(places.get(part, part) for part in parts))
    assert status == 2 and out == ""
    assert str(path) in err and "cannot write" in err
    assert before is None or state(path) == before


@posix
@pytest.mark.parametrize("name", ["sweep.csv", "sweep.parquet", "worst-non-clairvoyant-balance.toml"])
def test_a_sweep_refuses_what_its_folder_holds(tmp_path, mechopt, monkeypatch, name):
    monkeypatch.setattr("mechopt.study.sweep.sweep.sweep", lambda *_: pytest.fail("the work was begun"))
    monkeypatch.setattr("mechopt.study.sweep.sweep.require_parquet", lambda: None)
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / name)
    status, out, err = mechopt("sweep", "horizons", "--out", tmp_path / "out", "--parquet")
    assert (status, out) == (2, ""), err
    assert name in err and "cannot write" in err


def bank_table(env):
    first = mo.results.BankPeriod([0], [[1, 1]], [[0.5, 0.5]], [[0, 1]], [[0, 0]])
    second = mo.results.BankPeriod([0.5, 1.5], [[0, 1], [1, 1]], [[0, 2], [1.5, 1.5]], [[0, 0]] * 2, [[0, 0]] * 2)
    return mo.results.BankTable(env, [first, second])


ENV = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
MARKOV = mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [[[0.5, 0.5], [0.25, 0.75]]] * 2, [[0.5, 0.5]] * 2, horizon=2)
WRITERS = {
    "mechanism": lambda path: mo.optimum(ENV).mechanism.save(path),
    "sequence": lambda path: mo.optimum(MARKOV).mechanism.save(path),
    "markov": lambda path: mo.dynamic_pivot(MARKOV).to_mechanism().save(path),
    "pivot": lambda path: mo.dynamic_pivot(MARKOV).save(path),
    "bank-table": lambda path: bank_table(ENV).save(path),
    "bank-account": lambda path: mo.non_clairvoyant_balance(ENV).save(path),
    "certificate": lambda path: mo.formats.certify(ENV).save(path),
    "comparison-plot": lambda path: mo.compare(ENV, ["repeated-myerson"]).save_plot(f"{path}.png"),
    "comparison-page": lambda path: mo.compare(ENV, ["repeated-myerson"]).to_html(path),
    "frontier-csv": lambda path: mo.frontier(ENV).to_csv(path),
    "frontier-plot": lambda path: mo.frontier(ENV).save_plot(f"{path}.png"),
    "sweep-csv": lambda path: mo.sweep("horizons").to_csv(path),
    "sweep-plot": lambda path: mo.sweep("horizons").save_plot(f"{path}.png"),
    "fit": lambda path: mo.fit.fit_values([1, 2, 3], types=2).save(path),
    "search-state": lambda path: worst_case(mo.non_clairvoyant_balance, Family(1, 2, 2), 3, 0, path),
    "worst": lambda path: write_worst(path, {}, "x", None, "", "", []),
    "picture": lambda path: save_picture(lambda: pytest.fail("was drawn"), f"{path}.svg"),
}


@posix
@pytest.mark.parametrize("writer", WRITERS)
def test_the_library_writes_regular_files_only(tmp_path, writer):
    path = tmp_path / "target"
    for name in ("target", "target.png", "target.svg"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(mo.InputError, match="cannot write"):
        WRITERS[writer](path)
    assert sorted(os.listdir(tmp_path)) == ["target", "target.png", "target.svg"]
