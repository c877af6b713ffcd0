"""Mechanism files: bit-exact and bound to their environment; whatever else lies in a file is refused in words."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

import mechopt as mo
from mechopt import cli

ENV = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
MODEL = 'kind = "independent"\nhorizon = 2\n[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'
ENTRIES = 6  # one buyer, two reports in period 0 and four histories of length 2


def posted_price_of_one(env=ENV):
    """Sell always at price 1, the lowest value of ENV: truthful, and individually rational in every sense."""
    tree = mo.formats.HistoryTree(env)
    sale = [np.ones((1, *tree.children(t))) for t in range(env.horizon)]
    return mo.Mechanism(env, sale, sale, (mo.DIC(), mo.EPIR()), "posted price 1")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "mechanism.npz"
    posted_price_of_one().save(path)
    return path


def columns(path):
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def rewrite(path, **changes):
    """Write the file again with other columns; None leaves one out."""
    kept = {name: column for name, column in (columns(path) | changes).items() if column is not None}
    np.savez_compressed(path, **kept)


def header(path, **changes):
    fields = json.loads(columns(path)["header"].tobytes()) | changes
    return np.frombuffer(json.dumps(fields).encode(), dtype=np.uint8)


def refusal(path, env=ENV):
    with pytest.raises(mo.InputError) as error:
        mo.load_mechanism(path, env)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def mechopt(capsys, monkeypatch, tmp_path):
    """Run a command on the model of ENV: exit status, standard output (blanks joined), standard error."""
    (tmp_path / "model.toml").write_text(MODEL)

    def run(command, *arguments):
        monkeypatch.setattr("sys.argv", ["mechopt", command, str(tmp_path / "model.toml"), *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stopped:
            status = stopped.code or 0
        out, err = capsys.readouterr()
        return status, " ".join(out.split()), err

    return run


def test_round_trip_is_bit_exact(tmp_path):
    # three buyers, unequal types, numbers that no decimal holds, a cost and probabilities without exact values
    rng = np.random.default_rng(3)
    env = mo.IndependentTypes(
        values=[[[1, 2], [1 / 3, 7]], [[5], [5, 6]], [[0, 1, 9], [4]]],
        probabilities=[[rng.dirichlet(np.ones(k)) for k in row] for row in ((2, 2), (1, 2), (3, 1))],
        cost=[0.1, 0.2],
        discount=0.9,
    )
    tree = mo.formats.HistoryTree(env)
    shapes = [(3, *tree.children(t)) for t in range(2)]
    mechanism = mo.Mechanism(
        env,
        [rng.random(shape) / 3 for shape in shapes],
        [rng.normal(size=shape) * 10.0 ** rng.integers(-300, 300, size=shape) for shape in shapes],
        (mo.PPIC(), mo.INDU(), mo.PFIR()),
        "drawn at random, é",
    )
    mechanism.save(tmp_path / "m.npz")
    again = mo.load_mechanism(tmp_path / "m.npz", env)
    for t in range(2):
        assert again.allocation[t].tobytes() == mechanism.allocation[t].tobytes()
        assert again.payment[t].tobytes() == mechanism.payment[t].tobytes()
        assert not again.payment[t].flags.writeable
    assert (again.claims, again.source) == (mechanism.claims, mechanism.source)


def test_an_equal_environment_written_differently_reads_the_file(saved):
    assert mo.load_mechanism(saved, mo.loads(MODEL)).revenue == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], horizon=2), id="values"),
        pytest.param(mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2), id="probabilities"),
        pytest.param(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, discount="1/2"), id="discount"),
        pytest.param(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3), id="periods"),
        pytest.param(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=60), id="astronomical"),
        pytest.param(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=2), id="buyers"),
    ],
)
def test_another_environment_refuses_the_file(other, saved):
    message = refusal(saved, other)
    assert "made for another environment" in message
    assert ENV.fingerprint[:12] in message
    assert other.fingerprint[:12] in message
    assert "give the model file that it was made from" in message


def test_a_smaller_environment_refuses_the_file(tmp_path):
    env = mo.IndependentTypes.iid(range(40), ["1/40"] * 40, horizon=2)
    posted_price_of_one(env).save(tmp_path / "m.npz")
    assert "made for another environment" in refusal(tmp_path / "m.npz")


def test_truncated_anywhere(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 7):
        saved.write_bytes(whole[:length])
        assert "not a mechanism file, or damaged" in refusal(saved)


def test_any_byte_changed_is_refused_or_harmless(saved):
    whole, mechanism = saved.read_bytes(), posted_price_of_one()
    for place in range(len(whole)):
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            read = mo.load_mechanism(saved, ENV)
        except mo.InputError:
            continue  # anything else fails the test; a byte of the archive's dates may change without harm
        assert all(map(np.array_equal, read.payment, mechanism.payment)), place
        assert all(map(np.array_equal, read.allocation, mechanism.allocation)), place
        assert read.claims == mechanism.claims, place


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="text"),
        pytest.param(np.random.default_rng(0).bytes(5000), id="garbage"),
        pytest.param(b"PK\x05\x06" + bytes(18), id="empty-archive"),
    ],
)
def test_other_files(content, saved):
    saved.write_bytes(content)
    message = refusal(saved)
    assert "not a mechanism file, or damaged" in message
    assert "write one with --save" in message


def test_no_file_and_a_folder(tmp_path):
    assert "cannot read (No such file" in refusal(tmp_path / "absent.npz")
    assert "cannot read (Is a directory)" in refusal(tmp_path)


@pytest.mark.parametrize("column", ["header", "allocation", "payment"])
def test_a_column_is_missing(column, saved):
    rewrite(saved, **{column: None})
    assert f"has no {column}" in refusal(saved)


COLUMNS = {
    "bomb": (np.zeros(2_000_000), "is larger than this environment asks for"),
    "too-short": (np.zeros(ENTRIES - 1), "expected 6 floats"),
    "too-long": (np.zeros(ENTRIES + 1), "expected 6 floats"),
    "two-axes": (np.zeros((2, 3)), "expected 6 floats"),
    "no-axes": (np.zeros(()), "expected 6 floats"),
    "integers": (np.zeros(ENTRIES, dtype=int), "expected 6 floats"),
    "complex": (np.zeros(ENTRIES, dtype=complex), "expected 6 floats"),
    "text": (np.full(ENTRIES, "a"), "expected 6 floats"),
    "structured": (np.zeros(ENTRIES, dtype=[("a", "f8")]), "expected 6 floats"),
    "pickled-objects": (np.array([{"a": 1}] * ENTRIES), "damaged"),
    "nan": (np.full(ENTRIES, np.nan), "[1]: holds numbers that are not finite"),
    "inf": (np.full(ENTRIES, np.inf), "[1]: holds numbers that are not finite"),
}


@pytest.mark.parametrize("column", ["allocation", "payment"])
@pytest.mark.parametrize(("array", "words"), [pytest.param(*case, id=name) for name, case in COLUMNS.items()])
def test_a_column_holds_something_else(column, array, words, saved):
    rewrite(saved, **{column: array})
    assert words in refusal(saved)


def test_an_allocation_above_1_is_refused(saved):
    rewrite(saved, allocation=np.full(ENTRIES, 1.5))
    assert "allocation[0]: goes from 1.5 to 1.5 in sum over buyers" in refusal(saved)


@pytest.mark.parametrize("claimed", [10**6, 10**13, 10**30, -6], ids=["million", "10^13", "10^30", "negative"])
def test_a_column_claims_more_numbers_than_it_has(claimed, saved):
    described = {"descr": "<f8", "fortran_order": False, "shape": (claimed,)}
    with zipfile.ZipFile(saved) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w") as archive:
        for name, content in parts.items():
            file = io.BytesIO()
            np.lib.format.write_array_header_1_0(file, described)
            archive.writestr(name, file.getvalue() + bytes(8) if name == "payment.npy" else content)
    assert "damaged" in refusal(saved)


HEADERS = {
    "not-json": (b"\xff\xfe{", "damaged"),
    "not-a-table": (b"[1, 2]", "damaged"),
    "without-keys": (b"{}", "damaged"),
    "nested-without-end": (b"[" * 60_000, "damaged"),
    "too-large": (b" " * 100_000, "header is larger"),
}


@pytest.mark.parametrize(("content", "words"), [pytest.param(*case, id=name) for name, case in HEADERS.items()])
def test_a_header_is_something_else(content, words, saved):
    rewrite(saved, header=np.frombuffer(content, dtype=np.uint8))
    assert words in refusal(saved)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"format": "mechopt mechanism 99"}, "this version reads 'mechopt mechanism 1'", id="format"),
        pytest.param({"notions": ["dic", "fairness"]}, "'fairness' is not a constraint; known: dic", id="constraint"),
        pytest.param({"notions": 5}, "damaged", id="constraints-as-number"),
        pytest.param({"fingerprint": None}, "made for another environment", id="no-fingerprint"),
    ],
)
def test_a_header_says_something_else(changes, words, saved):
    rewrite(saved, header=header(saved, **changes))
    assert words in refusal(saved)


def test_saving_into_a_missing_folder(tmp_path):
    with pytest.raises(mo.InputError, match=r"absent/m\.npz: cannot write \(No such file or directory\)"):
        posted_price_of_one().save(tmp_path / "absent" / "m.npz")
    assert list(tmp_path.iterdir()) == []


def test_saving_over_a_folder(tmp_path):
    (tmp_path / "m.npz").mkdir()
    with pytest.raises(mo.InputError, match=r"m\.npz: cannot write \(Is a directory\)"):
        posted_price_of_one().save(tmp_path / "m.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        pytest.param(OSError(28, "No space left on device"), mo.InputError, id="disk-full"),
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="interrupted"),
    ],
)
@pytest.mark.parametrize("before", [None, b"what was there"], ids=["new-file", "existing-file"])
def test_a_save_that_fails_leaves_things_as_they_were(failure, raised, before, tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    if before is not None:
        path.write_bytes(before)

    def fail(file, **columns):
        file.write(b"half of it")
        raise failure

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(raised):
        posted_price_of_one().save(path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == ({} if before is None else {"m.npz": before})


def test_an_existing_file_is_replaced_in_one_step(tmp_path, monkeypatch):
    path, seen, original = tmp_path / "m.npz", [], os.replace
    path.write_bytes(b"what was there")

    def watched(source, target):
        seen.append(path.read_bytes())
        assert os.path.dirname(source) == str(tmp_path)  # a move within one folder is atomic
        original(source, target)

    monkeypatch.setattr(os, "replace", watched)
    posted_price_of_one().save(path)
    assert seen == [b"what was there"]
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]
    assert mo.load_mechanism(path, ENV).revenue == 2


def test_a_saved_file_has_the_rights_of_any_new_file(saved, tmp_path):
    (tmp_path / "other").write_text("")
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_kept_mechanism_verifies(mechopt, saved):
    status, out, err = mechopt("verify", saved)
    assert (status, err) == (0, "")
    assert "dic satisfied" in out
    assert "epir satisfied" in out


def test_a_nudged_payment_is_found_with_its_deviation(mechopt, saved):
    # Entries: period 0 reports 0, 1; then histories [0], [1] with reports 0, 1 each. The last one is history [1],
    # report 1: at 1.25 instead of 1, type 1 would rather report 0 and keep the 0.25.
    payment = columns(saved)["payment"]
    payment[-1] += 0.25
    rewrite(saved, payment=payment)
    status, out, _ = mechopt("verify", saved)
    assert status == 1
    assert "dic VIOLATED (largest gain 0.25)" in out
    assert "after 2, in period 1: reporting 1 instead of 2 gains 1/4" in out
    assert "epir satisfied" in out

    status, out, err = mechopt("verify", saved, "--json")
    assert (status, err) == (1, "")
    found = json.loads(out)["constraints"]
    rounding = found["epir"].pop("rounding")
    assert 0 < rounding < 1e-13
    assert found["epir"] == {"status": "satisfied", "holds": True, "gain": 0.0, "counterexample": None}
    example = found["dic"]["counterexample"]
    assert example == {
        "agent": 0,
        "period": 1,
        "history": [[1]],
        "true_type": 1,
        "report": 0,
        "gain": pytest.approx(0.25, abs=1e-12),
    }
    example["history"] = tuple(map(tuple, example["history"]))
    replayed = mo.results.Counterexample(mo.DIC(), **example).replay(mo.load_mechanism(saved, ENV))
    assert replayed == pytest.approx(example["gain"], abs=1e-12)


def test_a_nudged_payment_that_breaks_participation_names_the_utility(mechopt, saved):
    # First entry: the report 0 of period 0, worth 1. At 1.5 type 0 has -0.5 now and nothing later from report 0.
    payment = columns(saved)["payment"]
    payment[0] += 0.5
    rewrite(saved, payment=payment)
    status, out, _ = mechopt("verify", saved, "--ir", "per-period")
    assert status == 1
    assert "per-period VIOLATED (largest gain 0.5)" in out
    assert "at the start: the agent of type 1 has utility -1/2" in out
    assert "dic" not in out


def test_the_deviation_of_a_second_buyer_names_the_others(tmp_path):
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1, agents=2)
    nothing = np.zeros((2, 1, 2, 2))
    payment = nothing.copy()
    payment[1, 0, 1, 0] = 0.5  # buyer 1 pays when she reports 0 and buyer 0 reports 1
    mo.Mechanism(env, [nothing], [payment]).save(tmp_path / "m.npz")
    check = mo.verify(mo.load_mechanism(tmp_path / "m.npz", env), mo.PPIR())[mo.PPIR()]
    assert str(check.counterexample) == (
        "agent 1, period 0, after history []: the utility of type 0 while the others are [1] is -0.5"
    )
    assert check.counterexample.to_dict()["others"] == [1]


def test_verify_refuses_another_file(mechopt, saved):
    saved.write_text("not a mechanism")
    status, out, err = mechopt("verify", saved)
    assert (status, out) == (2, "")
    assert err.startswith(f"mechopt: {saved}: not a mechanism file, or damaged")


def test_what_rounding_leaves_open_is_undecided_and_decided_in_fractions(mechopt, saved):
    """Lend 1e16 and take it back: floats cannot tell, the exit status is 1, and --exact is offered and decides."""
    with np.load(saved) as file:
        payment = file["payment"].copy()
    first = 2
    rewrite(saved, payment=np.concatenate([payment[:first] - 1e16, payment[first:] + 1e16]))
    status, out, err = mechopt("verify", saved, "--ir", "interim")
    assert (status, "interim UNDECIDED" in out) == (1, True)
    assert "undecided: interim" in err and "try --exact" in err
    status, out, err = mechopt("verify", saved, "--ir", "interim", "--exact", "--json")
    found = json.loads(out)["constraints"]["interim"]
    assert status == (0 if found["holds"] else 1) and found["rounding"] == 0
    assert found["status"] in ("satisfied", "violated") and "exact" in found
    assert "--exact" not in err
