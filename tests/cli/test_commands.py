"""The command line: what goes to standard output and standard error, and the exit status of each ending.

0 done, 1 a check failed, 2 bad input, 3 stopped by a limit.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from io import StringIO

import pytest

import mechopt as mo
from mechopt import modelfile
from tests.waiting import HANG_SECONDS

BUNDLED = "mirrokni-2020/two-values-three-periods"  # optimum 7/2; first best 3 * 3/2 = 9/2
GOOD = 'kind = "independent"\nhorizon = 2\n[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'  # 9/4
LARGE = 'kind = "independent"\nhorizon = {}\n[[buyers]]\nvalues = [1, 2, 3]\nprobabilities = ["1/3", "1/3", "1/3"]\n'


@pytest.fixture
def model(tmp_path):
    """Write a model file and give its path."""

    def write(text):
        path = tmp_path / "model.toml"
        path.write_text(text)
        return path

    return write


def words(text):
    """A text without the frames and line breaks that it gets for a terminal."""
    return " ".join(text.replace("│", " ").split())


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=HANG_SECONDS)


def test_solve_tells_people(mechopt):
    status, out, err = mechopt("solve", BUNDLED)
    assert (status, err) == (0, "")
    for part in ("revenue under dic and epir", "optimal", "3.5 (looks like 7/2)", "3.5 <= optimum <= 3.5"):
        assert part in words(out)
    assert "verified dic satisfied (largest gain 0)" in words(out)


def test_solve_prints_one_json_document_with_the_promised_keys(mechopt):
    status, out, err = mechopt("solve", BUNDLED, "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["value"] == pytest.approx(3.5, abs=1e-9)
    assert document["bound"]["lower"] <= 3.5 + 1e-9
    assert document["bound"]["upper"] >= 3.5 - 1e-9
    assert document["bound"]["method"]
    assert document["welfare"] == pytest.approx(document["revenue"] + sum(document["utilities"]), abs=1e-9)
    assert (document["status"], document["method"]) == ("optimal", "promised")
    assert document["constraints"] == {"ic": "dic", "ir": "epir"}
    assert document["size"] == {"rows": 0, "columns": 0, "nonzeros": 0}
    assert set(document["seconds"]) == {"build", "solve", "verify"}
    assert document["verified"]["dic"].keys() >= {"holds", "gain"}
    assert all(check["holds"] for check in document["verified"].values())


def test_options_override_the_defaults_of_the_file(mechopt, model):
    path = model(GOOD + '[solve]\nic = "ppic"\nir = "per-period"\nobjective = "welfare"\n')
    _, out, _ = mechopt("solve", path, "--json")
    document = json.loads(out)
    assert document["value"] == pytest.approx(3, abs=1e-9)  # sell always: 3/2 a period
    assert (document["constraints"], document["objective"]) == ({"ic": "ppic", "ir": "per-period"}, "welfare")
    _, out, _ = mechopt("solve", path, "--json", "--ic", "dic", "--ir", "epir", "--objective", "revenue")
    assert json.loads(out)["value"] == pytest.approx(9 / 4, abs=1e-9)


@pytest.mark.parametrize("form", ["promise", "utility", "payment"])
def test_every_form_and_method_finds_the_same_value(form, mechopt):
    for method in ("simplex", "ipx"):
        status, out, _ = mechopt("solve", BUNDLED, "--json", "--form", form, "--method", method)
        document = json.loads(out)
        assert (status, document["form"], document["method"]) == (0, form, method)
        assert document["value"] == pytest.approx(3.5, abs=1e-8)


def test_save_and_verify(mechopt, tmp_path):
    path = tmp_path / "best.npz"
    assert mechopt("solve", BUNDLED, "--save", path)[0] == 0
    status, out, err = mechopt("verify", BUNDLED, path, "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert set(document["constraints"]) == {"dic", "epir"}
    assert document["revenue"] == pytest.approx(3.5, abs=1e-9)
    assert document["constraints"]["dic"].keys() >= {"holds", "gain", "counterexample"}
    # revenue above 3, the sum of static optima, takes payments ahead of sales, so no individual period can be rational
    status, out, _ = mechopt("verify", BUNDLED, path, "--ic", "dic", "--ir", "per-period")
    assert status == 1
    assert "per-period VIOLATED" in words(out)


@pytest.mark.parametrize("form", ["promise", "utility", "payment"])
def test_export_reads_back_with_the_same_value(form, mechopt, model, tmp_path):
    import highspy

    path = tmp_path / "model.mps"
    text = GOOD.replace("[1, 2]", '["1/3", "22/7"]').replace('["1/2", "1/2"]', '["1/3", "2/3"]')
    status, out, _ = mechopt("solve", model(text), "--export", path, "--form", form, "--json")
    assert status == 0
    highs = highspy.Highs()
    highs.silent()
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    highs.run()
    assert highs.getInfo().objective_function_value == pytest.approx(json.loads(out)["value"], rel=1e-9)


@pytest.mark.parametrize("option", ["--export", "--save"])
def test_writing_into_a_missing_folder(option, mechopt, tmp_path):
    path = tmp_path / "absent" / "file"
    status, _, err = mechopt("solve", BUNDLED, option, path)
    assert status == 2
    assert err == f"mechopt: {path}: cannot write (No such file or directory)\n"


def test_check_finds_what_is_expected(mechopt, model):
    path = model(
        GOOD
        + '[expected]\nvalue = "9/4"\nutilities.0 = 0.5\nstatus = "optimal"\n[expected.verified.dic]\nholds = true\n'
    )
    status, out, err = mechopt("solve", path, "--check", "--json", "--method", "simplex")
    assert status == 0
    assert json.loads(out)["status"] == "optimal"
    assert "as expected: value: expected 9/4, found 2.25" in err
    assert "as expected: utilities.0: expected 0.5, found 0.5" in err
    assert "as expected: verified.dic.holds: expected True, found True" in err
    assert "NOT" not in err


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        pytest.param("value = 2.26", "NOT as expected: value: expected 2.26, found 2.25", id="decimal"),
        pytest.param('value = "7/3"', "NOT as expected: value: expected 7/3, found 2.25", id="fraction"),
        pytest.param("value = 2.250001", "NOT as expected: value: expected 2.250001, found 2.25", id="close"),
        pytest.param('status = "infeasible"', "NOT as expected: status: expected 'infeasible', found 'opt", id="text"),
        pytest.param("verified.dic.holds = false", "expected False, found True", id="truth-value"),
        pytest.param(
            "value = 2.25\nbound.upper = 3", "NOT as expected: bound.upper: expected 3, found", id="one-of-two"
        ),
        pytest.param("ratio = 1", "not checked: ratio is not in this command's output", id="nothing-checked"),
        pytest.param("value.deeper = 1", "not checked: value.deeper is not in this", id="below-a-number"),
        pytest.param("status.deeper = 1", "not checked: status.deeper is not in this", id="below-a-text"),
        pytest.param("utilities.5 = 1", "not checked: utilities.5 is not in this", id="beyond-a-list"),
    ],
)
def test_check_fails_with_both_numbers(expected, line, mechopt, model):
    status, _, err = mechopt("solve", model(f"{GOOD}[expected]\n{expected}\n"), "--check")
    assert status == 1
    assert line in err


@pytest.mark.parametrize("tail", ["", "[expected]\n"], ids=["no-table", "empty-table"])
def test_check_needs_expected_results(tail, mechopt, model):
    path = model(GOOD + tail)
    status, out, err = mechopt("solve", path, "--check")
    assert (status, out) == (2, "")
    assert err == f"mechopt: {path}: has no [expected] table to check against; add one, such as value = 3.5\n"


def test_a_time_limit_stops_with_the_bracket(mechopt):
    status, out, err = mechopt("solve", BUNDLED, "--time-limit", "0", "--json")
    assert status == 3
    document = json.loads(out)
    assert document["status"] == "time limit"
    # the null mechanism from below; first best, 3/2 in each of three periods, from above
    assert (document["bound"]["lower"], document["bound"]["upper"]) == (0, pytest.approx(4.5, abs=1e-12))
    assert "stopped (time limit) with 0 <= optimum <= 4.5; raise the time limit" in err


def test_without_constraints_there_is_no_bound(mechopt):
    status, out, err = mechopt("solve", BUNDLED, "--ic", "none", "--ir", "none", "--json")
    assert status == 1
    document = json.loads(out)
    assert (document["status"], document["value"], document["bound"]["upper"]) == ("unbounded", None, None)
    assert document["conflict"]
    assert "unbounded: add a participation constraint such as EPIR" in err
    assert "lifetime utility" in err
    assert "is unbounded below" in err


BAD_OPTIONS = {
    "misspelt-ic": (("--ic", "dicc"), "'dicc' is not a constraint; did you mean 'dic'?"),
    "misspelt-ir": (("--ir", "per-periode"), "'per-periode' is not a constraint; did you mean 'per-period'?"),
    "one-of-several": (("--ic", "ppic+inud"), "'inud' is not a constraint; did you mean 'indu'?"),
    "capitals": (("--ic", "DIC"), "'DIC' is not a constraint; did you mean 'dic'?"),
    "unknown-constraint": (("--ic", "zzz"), "'zzz' is not a constraint; known: dic, ex-post, ppic"),
    "empty-constraint": (("--ic", ""), "'' is not a constraint; known: dic"),
    "ic-for-ir": (("--ir", "dic"), "this is an ic constraint"),
    "ir-for-ic": (("--ic", "epir"), "this is an ir constraint"),
    "objective": (("--objective", "profit"), "objective 'profit': cannot read 'profit'; write revenue, welfare, util"),
    "objective-weight": (("--objective", "half*welfare"), "cannot read 'half*welfare'; write revenue, welfare"),
    "objective-huge": (("--objective", "1e400*welfare"), "cannot read '1e400*welfare'; write revenue, welfare"),
    "method": (("--method", "barrier"), "method 'barrier' is none of auto, program, simplex, ipx"),
    "form": (("--form", "dual"), "form 'dual' cannot express these constraints; allowed: auto, payment, utility"),
    "form-and-constraints": (
        ("--form", "promise", "--ic", "super-dic"),
        "form 'promise' cannot express these constraints",
    ),
    "negative-time": (("--time-limit", "-1"), "Invalid value for '--time-limit'"),
    "time-as-text": (("--time-limit", "soon"), "Invalid value for '--time-limit'"),
    "option": (("--objectiv", "welfare"), "No such option: --objectiv"),
}


@pytest.mark.parametrize(("options", "message"), [pytest.param(*case, id=name) for name, case in BAD_OPTIONS.items()])
def test_bad_option(options, message, mechopt):
    status, out, err = mechopt("solve", BUNDLED, *options)
    assert (status, out) == (2, "")
    assert message in words(err)


@pytest.mark.parametrize(
    ("option", "message"), [("--ic", "'dicc' is not a constraint"), ("--ir", "'dicc' is not a constraint")]
)
def test_bad_constraint_of_verify_and_size(option, message, mechopt, tmp_path):
    mechopt("solve", BUNDLED, "--save", tmp_path / "m.npz")
    for command in (("size", BUNDLED), ("verify", BUNDLED, tmp_path / "m.npz")):
        status, out, err = mechopt(*command, option, "dicc")
        assert (status, out) == (2, "")
        assert message in err


def test_an_astronomical_program_is_refused_with_figures(mechopt, model):
    status, out, err = mechopt("solve", model(LARGE.format(60)), "--method", "simplex")
    assert (status, out) == (3, "")
    # Three types over 60 periods: one promise row and 4 adjacent misreports at each history before the last period,
    # 5 (3^60 - 1) / 2 rows; histories of all lengths (3^61 - 3) / 2.
    assert "the program would have 1.0e29 rows, 1.2e29 columns, 3.3e29 non-zeros (6.3e28 histories)" in err
    assert "bytes; the limit is" in err
    assert "Use fewer periods, types or scenarios, a weaker constraint, or a machine with more memory" in err


def test_size_is_exact_beyond_any_memory(mechopt, model):
    path = model(LARGE.format(60))
    size = mo.formats.plan(mo.load(path)).size
    assert size.histories == (3**61 - 3) // 2
    assert size.rows == 5 * (3**60 - 1) // 2
    assert size.columns == 3**61 - 2  # a lifetime utility at each history, an allocation at each but the empty one
    status, out, _ = mechopt("size", path, "--json")
    assert status == 0
    document = json.loads(out)
    assert document.keys() >= {"rows", "columns", "nonzeros", "bytes", "histories"}
    assert (document["rows"], document["histories"]) == (float(size.rows), float(size.histories))


def test_size_of_the_longest_horizon(mechopt, model):
    path = model(LARGE.format(10_000))
    status, out, _ = mechopt("size", path)
    assert status == 0
    assert "e4771" in words(out)  # (3^10001 - 3) / 2 histories: 10001 log10(3) - log10(2) = 4771.4
    status, out, _ = mechopt("size", path, "--json")
    assert (status, json.loads(out)["rows"]) == (0, None)
    status, _, err = mechopt("solve", path, "--method", "simplex")
    assert status == 3
    assert "e4771 histories" in err


def test_size_counts_a_small_program(mechopt):
    status, out, _ = mechopt("size", BUNDLED, "--json")
    # 7 promise rows, 2 misreports at each of the 7 histories before the last period; 15 lifetime utilities, 14 sales
    document = json.loads(out)
    assert (status, document["rows"], document["columns"], document["histories"]) == (0, 21, 29, 14)
    assert document["form"] == "utility"
    status, out, _ = mechopt("size", BUNDLED, "--form", "promise")
    assert (status, "form promise" in words(out)) == (0, True)


def test_models_lists_every_bundled_model_with_its_source(mechopt):
    status, out, _ = mechopt("models", "--json")
    listed = json.loads(out)
    assert (status, {entry["name"] for entry in listed}) == (0, set(modelfile.bundled()))
    assert BUNDLED in modelfile.bundled()
    for entry in listed:
        assert entry["title"], entry
        assert entry["source"], entry
        assert modelfile.read(entry["name"]).expected, entry
    status, out, _ = mechopt("models")
    assert (status, BUNDLED in out) == (0, True)


def test_schema_describes_the_keys(mechopt):
    status, out, _ = mechopt("schema")
    document = json.loads(out)
    assert status == 0
    schema = document["$defs"]["IndependentFile"]
    assert schema["type"] == "object"
    assert {"kind", "horizon", "buyers"} == set(schema["required"])
    assert {"title", "source", "discount", "cost", "solve", "expected"} < set(schema["properties"])
    grid = {"distribution", "types", "method"}
    buyer = set(document["$defs"]["BuyerTable"]["properties"])
    assert {"values", "probabilities", "periods", "count"} | grid <= buyer
    assert not schema["additionalProperties"]


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        pytest.param({}, True, id="good"),
        pytest.param({"cost": [0, "1/2"], "discount": "9/10"}, True, id="cost-by-period"),
        pytest.param({"horizon": "3"}, False, id="horizon-as-text"),
        pytest.param({"colour": 3}, False, id="unknown-key"),
        pytest.param({"buyers": [{"values": ["1+1"], "probabilities": [1]}]}, False, id="formula"),
        pytest.param({"cost": "2*(1 - c)/3", "parameters": {"c": ["0", "1"]}}, True, id="expression"),
        pytest.param({"cost": "c**2", "parameters": {"c": "1/2"}}, True, id="power"),
        pytest.param({"cost": "2 c", "parameters": {"c": "1/2"}}, False, id="no-product-sign"),
        pytest.param({"cost": "c +", "parameters": {"c": "1/2"}}, False, id="half-an-expression"),
        pytest.param({"cost": "__import__('os')", "parameters": {"c": "1/2"}}, False, id="no-python"),
        pytest.param({"buyers": [{"values": ["0.5/3"], "probabilities": [1]}]}, False, id="decimal-over-integer"),
    ],
)
def test_schema_tells_good_from_bad(changes, valid):
    if find_spec("jsonschema") is None:
        return
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(modelfile.schema())
    good = {"kind": "independent", "horizon": 2, "buyers": [{"values": [1, 2.5], "probabilities": ["1/2", 0.5]}]}
    assert Draft202012Validator(modelfile.schema()).is_valid(good | changes) == valid


def test_a_full_disk_is_no_traceback(mechopt, monkeypatch):
    class Full(StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stdout", Full())
    status, _, err = mechopt("solve", BUNDLED, "--json")
    assert status not in (0, None)
    assert "No space left on device" in err


@pytest.mark.parametrize("text", ["", "solve", "verify", "size", "models", "schema"])
def test_help_of_every_command(text, mechopt):
    status, out, _ = mechopt(*text.split(), "--help")
    assert (status, "Usage: mechopt" in out) == (0, True)


def test_no_arguments_and_unknown_commands(mechopt):
    status, out, err = mechopt()
    assert (status, "solve" in out + err) == (2, True)
    status, _, err = mechopt("solv", BUNDLED)
    assert (status, "No such command 'solv'" in words(err)) == (2, True)
    status, _, err = mechopt("solve")
    assert (status, "Missing argument 'MODEL'" in words(err)) == (2, True)


def test_as_a_module():
    done = python("-m", "mechopt", "solve", BUNDLED, "--json", "--check")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "optimal")
    assert "as expected: value: expected 7/2, found 3.5" in done.stderr


def test_as_a_module_with_bad_input(tmp_path):
    done = python("-m", "mechopt", "solve", str(tmp_path / "absent.toml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mechopt: {tmp_path / 'absent.toml'}: no such file; ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_stops_early_is_no_traceback():
    command = f"'{sys.executable}' -m mechopt schema | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=HANG_SECONDS)
    assert (done.stdout, done.stderr) == ("{", "")


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import mechopt", id="import"),
        pytest.param("import mechopt; dir(mechopt); mechopt.IndependentTypes", id="environment"),
        pytest.param("import sys; sys.argv = ['mechopt', '--help']; from mechopt.cli import main", id="help"),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(program):
    heavy = "{'cvxpy', 'pandas', 'matplotlib', 'scipy', 'highspy', 'dask', 'networkx'}"
    call = "try: main()\nexcept SystemExit: pass\n" if "main" in program else ""
    done = python("-c", f"{program}\n{call}import sys\nprint(sorted({heavy} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
