"""A fuzzer that stays: files of all kinds, changed at random, through the command line.

Whatever a file holds: an exit status of ours, no traceback, no hang, no memory beyond the file's worth, no escape
sequence on the way out, and never a wrong "holds" or "proved". A few hundred files in the gate; ``--fuzz 5000`` for so
many of each kind, ``--fuzz-from 700`` to begin with another one. A case is its number: what fails is given again by
``pytest tests/fuzz --fuzz 1 --fuzz-from NUMBER -k KIND``.
"""

import contextlib
import io
import json
import random
import resource
import signal
import sys
import threading
from fractions import Fraction
from itertools import islice

import pytest

import mechopt as mo
from mechopt import cli
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.objective import Objective
from mechopt.modelfile import bundled
from mechopt.proof.certificate import digest
from mechopt.study.sweep.study_file import bundled_studies, read_study
from tests.fuzz import mutations
from tests.fuzz.truth import largest_violations

GATE = {"model": 60, "study": 60, "data": 40, "mechanism": 60, "other-archive": 60, "proof": 80}
"""Files of each kind in the gate."""
SECONDS, GROWTH = 60, 700_000
"""A file may take so long, and so many kilobytes."""
SMALL = ("size", "solve")
MODEL = 'kind = "independent"\nhorizon = 2\n[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'
MARKOV = """
kind = "markov"
horizon = 2
actions = ["no", "yes"]
[[agents]]
name = "A"
types = ["low", "high"]
initial = [0.4, 0.6]
values = [[0, 0], [1, 2]]
kernel = [[0.75, 0.25], [0.25, 0.75]]
[[agents]]
name = "B"
types = ["low", "high"]
initial = [0.5, 0.5]
values = [[0, 1], [0, 0]]
kernel = [[0.75, 0.25], [0.25, 0.75]]
"""


class HangError(BaseException):
    """A file took too long."""


def run(*arguments):
    """The command line in this process: exit status, standard output, standard error."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["mechopt", *map(str, arguments)]
    status = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as stop:
                status = stop.code or 0
    finally:
        sys.argv = before
    return status, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def limited():
    """Neither for ever nor without bounds."""

    def stop(number, frame):
        raise HangError

    assert threading.current_thread() is threading.main_thread()
    before, used = signal.signal(signal.SIGALRM, stop), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < GROWTH


def ours(status, out, err):
    """What every answer must be."""
    assert status in (0, 1, 2, 3), err
    assert "Traceback" not in err
    shown = out + err
    assert all(c.isprintable() or c == "\n" for c in shown), ascii(shown)
    assert shown.strip()


@pytest.fixture
def cases(request):
    """Numbers and generators of the cases of a kind."""
    count, start = request.config.getoption("--fuzz"), request.config.getoption("--fuzz-from")

    def of(kind):
        for number in range(start, start + (count or GATE[kind])):
            yield number, random.Random(f"{kind} {number}")

    return of


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Honest files of each kind."""
    folder = tmp_path_factory.mktemp("seeds")
    (folder / "model.toml").write_text(MODEL)
    (folder / "markov.toml").write_text(MARKOV)
    env, markov = mo.load(folder / "model.toml"), mo.load(folder / "markov.toml")
    mo.optimum(env).mechanism.save(folder / "optimum.npz")
    mo.optimum(env, mo.DIC(), mo.Interim()).mechanism.save(folder / "interim.npz")
    mo.optimum(markov).mechanism.save(folder / "sequence.npz")
    mo.dynamic_pivot(markov).save(folder / "pivot.npz")
    first = mo.results.BankPeriod([0], [[1, 1]], [[0.5, 0.5]], [[0, 1]], [[0, 0]])
    second = mo.results.BankPeriod([0.5, 1.5], [[0, 1], [1, 1]], [[0, 2], [1.5, 1.5]], [[0, 0]] * 2, [[0, 0]] * 2)
    mo.results.BankTable(env, [first, second]).save(folder / "bank.npz")
    joint = mo.load("liu-2025/crossed-signals")
    mo.contingent_transfers(joint).save(folder / "transfers.npz")
    mo.formats.certify(env).save(folder / "proof.json")
    mo.formats.certify(env, (), mo.Interim()).save(folder / "proof-interim.json")
    return folder


def named(number, content):
    """Say in a failure which case it is."""
    return f"case {number}: {content[:2000]!r}"


def test_model_files(cases, tmp_path):
    path = tmp_path / "m\u202e.toml"
    texts = [p.read_text() for name, p in sorted(bundled().items()) if "eight" not in name and "ebay" not in name]
    for number, rng in cases("model"):
        content = mutations.text(rng.choice(texts), rng)
        path.write_bytes(content)
        with limited():
            answer = run("size", path, "--json")
            ours(*answer), named(number, content)
            if answer[0] == 0 and (json.loads(answer[1])["nonzeros"] or 1e9) < 3000:
                ours(*run("solve", path, "--time-limit", "2", *["--json"] * (number % 2)))
            elif number % 5 == 0:
                ours(*run("maximin", path, "--time-limit", "2"))
                ours(*run("transfers", path))


def test_study_files(cases, tmp_path):
    texts = [p.read_text() for p in bundled_studies().values()]
    for number, rng in cases("study"):
        content = mutations.text(rng.choice(texts), rng)
        (tmp_path / "s.toml").write_bytes(content)
        with limited():
            try:
                list(islice(read_study(tmp_path / "s.toml").points(), 20))
            except mo.InputError as error:
                assert all(c.isprintable() or c == "\n" for c in str(error)), named(number, content)


def test_data_files(cases, tmp_path):
    text = "bid,who,when\n" + "\n".join(f"{1 + k * k % 7}.5,{'ab'[k % 2]},{k // 2}" for k in range(30)) + "\n"
    for _, rng in cases("data"):
        (tmp_path / "d.csv").write_bytes(mutations.text(text, rng))
        with limited():
            ours(*run("fit", tmp_path / "d.csv", "--value", "bid", "--types", "3"))
            panel = ("--bidder", "who", "--period", "when")
            ours(*run("fit", tmp_path / "d.csv", "--value", "bid", *panel, "--types", "2", "--json"))


def test_mechanism_files_never_hold_by_mistake(cases, seeds, tmp_path):
    """What `verify` lets pass passes a check by fractions as well."""
    values, chances = [Fraction(1), Fraction(2)], [Fraction(1, 2)] * 2
    honest = {name: (seeds / name).read_bytes() for name in ("optimum.npz", "interim.npz")}
    for number, rng in cases("mechanism"):
        content = mutations.archive(honest[rng.choice(sorted(honest))], rng)
        (tmp_path / "m.npz").write_bytes(content)
        with limited():
            ours(*run("verify", seeds / "model.toml", tmp_path / "m.npz"))
            answer = run("verify", seeds / "model.toml", tmp_path / "m.npz", "--ic", "dic", "--ir", "epir", "--json")
        ours(*answer)
        if answer[0] == 0:
            found = largest_violations(content, values, chances, 2)
            assert found is not None and max(found) <= Fraction(1, 10**6), named(number, content)


ARCHIVES = {
    "sequence.npz": "markov.toml",
    "pivot.npz": "markov.toml",
    "bank.npz": "model.toml",
    "transfers.npz": "liu-2025/crossed-signals",
}


def test_other_archives(cases, seeds, tmp_path):
    for number, rng in cases("other-archive"):
        name = rng.choice(sorted(ARCHIVES))
        model = ARCHIVES[name] if "/" in ARCHIVES[name] else seeds / ARCHIVES[name]
        (tmp_path / "a.npz").write_bytes(mutations.archive((seeds / name).read_bytes(), rng))
        with limited():
            ours(*run("verify", model, tmp_path / "a.npz", *["--json"] * (number % 2)))


CLAIMS = [
    None,
    -1,
    0,
    1,
    3.5,
    "x",
    "2",
    "7/2",
    "9/4",
    "1e400",
    [],
    {},
    ["dic"],
    ["epir"],
    ["interim"],
    [1],
]


def test_proofs_never_prove_by_mistake(cases, seeds, tmp_path):
    """What is proved is the optimum that the solver finds for the same constraints and objective."""
    for number, rng in cases("proof"):
        text = (seeds / rng.choice(["proof.json", "proof-interim.json"])).read_text()
        if rng.random() < 0.2:
            content = mutations.some_bytes(text.encode(), rng)
        else:
            document = mutations.tree(text, rng, CLAIMS)
            if isinstance(document, dict) and rng.random() < 0.8:
                document.pop("digest", None)
                document["digest"] = digest(document)
            content = json.dumps(document).encode()
        (tmp_path / "p.json").write_bytes(content)
        with limited():
            status, out, err = run("certificate", "check", seeds / "model.toml", tmp_path / "p.json", "--json")
        ours(status, out, err)
        if status == 0:
            claim = json.loads(content)
            constraints = [[constraint_named(name) for name in claim[role]] for role in ("ic", "ir")]
            weights = {name: float(Fraction(weight)) for name, weight in claim["objective"].items()}
            best = mo.optimum(mo.loads(MODEL), *constraints, Objective(**weights))
            proved = json.loads(out)["value"]
            if proved is None:
                assert best.bound.upper == float("inf"), named(number, content)
            else:
                assert proved == pytest.approx(best.value, abs=1e-7), named(number, content)
