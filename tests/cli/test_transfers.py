"""`mechopt transfers`: what it prints, what it saves, and its exit status."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mechopt import modelfile
from mechopt.cli.transfers import transfers
from mechopt.core.errors import InputError
from mechopt.study import estimated_transfers

SQUARE, CROSSED = "liu-2025/square-columns", "liu-2025/crossed-signals"
ALONE, STACKED = "liu-2025/independent-chains", "liu-2025/two-periods-stacked"
PRIVATE = """
kind = "markov"
horizon = 2
actions = ["to A", "to B"]
[[agents]]
initial = [0.5, 0.5]
values = [[0, 1], [0, 0]]
kernel = [[0.75, 0.25], [0.25, 0.75]]
[[agents]]
initial = [0.5, 0.5]
values = [[0, 0], [0, 1]]
kernel = [[0.75, 0.25], [0.25, 0.75]]
"""


def run(*arguments):
    app = typer.Typer()
    app.command()(transfers)
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


KEYS = {
    "convex_independence": {"holds", "distance", "worst"},
    "spanning": {"holds", "smallest_singular_value", "pseudo_inverse_norm", "worst"},
    "last_period": {"implementable", "cycle"},
    "transfers": {"theorem", "max_abs", "bound"},
    "verified": {"periodic_ex_post_ic"},
}


def test_the_keys_that_scripts_rely_on():
    status, out, err = run(CROSSED, "--method", "spanning", "--json")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert all(keys <= document[part].keys() for part, keys in KEYS.items())
    assert {"holds", "gain"} <= document["verified"]["periodic_ex_post_ic"].keys()
    assert document["welfare"] == pytest.approx(2.37125, rel=1e-12)
    assert document["convex_independence"]["worst"].keys() == {"agent", "period", "action", "others", "signal"}


def test_an_infinite_horizon_has_no_last_period():
    _, out, _ = run(SQUARE, "--json")
    assert json.loads(out)["last_period"] is None


EXPECTED = {
    "square-columns": (SQUARE,),
    "crossed-signals": (CROSSED,),
    "crossed-signals-constant-end": (CROSSED, "--method", "spanning", "--last-period", "constant"),
    "independent-chains": (ALONE, "--report-only"),
    "winner-pay": ("liu-2025/winner-pay",),
    "affine-grid": ("liu-2025/affine-grid", "--report-only"),
    "two-periods-stacked": (STACKED, "--method", "stacked"),
}


@pytest.mark.parametrize("arguments", EXPECTED.values(), ids=EXPECTED)
def test_bundled_models_give_what_they_expect(arguments):
    status, _, err = run(*arguments, "--check")
    assert ("NOT as expected" in err) == (arguments[-1] == "constant")  # the welfare of the constant end is lower
    assert status == (arguments[-1] == "constant")
    assert err.count("as expected") >= 4


def test_every_bundled_model_of_the_kind_is_checked_above():
    bundled = {name for name in modelfile.bundled() if modelfile.load(name).kind == "interdependent"}
    assert {name for name in bundled if name.startswith("liu-2025/")} <= {
        arguments[0] for arguments in EXPECTED.values()
    }


FAILURES = {
    "spanning": (
        (SQUARE, "--method", "spanning"),
        "spanning",
        ("agent 'A'", "action 'to B'", "rank 3 for 4 own signals"),
    ),
    "independent": (
        (ALONE,),
        "convex independence",
        ("agent 'B'", "own signal 'high'", "signals move independently of each other"),
    ),
}


@pytest.mark.parametrize(("arguments", "condition", "words"), FAILURES.values(), ids=FAILURES)
def test_a_failing_condition_names_agent_action_and_signals_and_exits_with_one(arguments, condition, words):
    status, out, err = run(*arguments, "--json")
    document = json.loads(out)
    assert status == 1
    assert document["failed"]["condition"] == condition
    assert document["failed"]["at"]["agent"] in err
    assert (document["transfers"], document["verified"]["periodic_ex_post_ic"]) == (None, None)
    assert all(word in err for word in words)
    assert run(*arguments, "--report-only")[0] == 0


def test_private_types_that_move_are_refused_with_the_reason(tmp_path):
    path = tmp_path / "private.toml"
    path.write_text(PRIVATE)
    status, out, err = run(path)
    assert status == 1
    assert "rank 1" in out and "dynamic pivot mechanism" in err


def test_other_kinds_are_bad_input():
    with pytest.raises(InputError, match="interdependent"):
        run("mirrokni-2020/two-values-three-periods")


def test_what_is_saved(tmp_path):
    path = tmp_path / "transfers.npz"
    assert run(CROSSED, "--method", "spanning", "--save", path)[0] == 0
    with np.load(path, allow_pickle=False) as saved:
        header = json.loads(saved["header"].tobytes())
        assert saved["payment_0_0"].shape == (2, 2, 2)
    assert header["theorem"] == "Theorem 3.2"
    assert header["fingerprint"] == modelfile.load(CROSSED).fingerprint


def test_smallest_transfers_are_smaller():
    closed, small = (
        json.loads(run(SQUARE, "--json", *more)[1])["transfers"]["max_abs"] for more in ((), ("--smallest",))
    )
    assert small < closed


def test_steps_robustness_and_estimates():
    assert run(STACKED, "--method", "stacked", "--steps", "auto")[0] == 0
    with pytest.raises(InputError, match="steps"):
        run(STACKED, "--method", "stacked", "--steps", "many")
    status, out, _ = run("liu-2025/winner-pay", "--radius", "0.1", "--json")
    found = json.loads(out)["transfers"]
    assert status == 0 and (found["theorem"], found["right_for"]) == ("robust linear program, radius 0.1", "radius 0.1")
    status, out, _ = run("liu-2025/winner-pay", "--draws", "1000", "--json")
    document = json.loads(out)
    assert document["estimated"]["draws"] == 1000 and document["estimated"]["without_transfers"] == 0
    assert 0 <= document["estimated"]["median_gain"] <= document["estimated"]["largest_gain"]


def test_how_many_draws_are_needed(monkeypatch):
    asked = {}

    def needed(environment, bound, **more):
        asked.update(more, bound=bound)
        return 64

    monkeypatch.setattr(estimated_transfers, "draws_needed", needed)
    status, out, _ = run("liu-2025/winner-pay", "--gain-below", "2", "--method", "any", "--json")
    assert status == 0 and json.loads(out)["draws_needed"] == {"gain": 2, "share": 0.95, "draws": 64}
    assert (asked["bound"], asked["method"], asked["last_period"]) == (2, "any", "efficient")
    status, out, _ = run("liu-2025/winner-pay", "--gain-below", "2", "--radius", "1/10")
    assert "64 draws, in 95 of 100 estimates" in out and str(asked["radius"]) == "radius 0.1"
    status, out, _ = run("liu-2025/winner-pay", "--gain-below", "2", "--method", "stacked", "--steps", "1")
    assert (asked["steps"], asked["joint"]) == (1, False)


REFUSED = {
    "radius": ("--radius", "0.1", "--participation", "interim"),
    "joint": ("--method", "spanning", "--joint"),
}


@pytest.mark.parametrize(("word", "options"), REFUSED.items(), ids=REFUSED)
def test_options_that_do_not_go_together(word, options):
    with pytest.raises(InputError, match=word):
        run("liu-2025/two-periods-stacked", *options)


def test_every_method_side_by_side():
    methods = {row["name"]: row for row in json.loads(run(ALONE, "--json", "--report-only")[1])["methods"]}
    assert [name for name, row in methods.items() if row["holds"]] == ["any"]
    assert methods["any"]["max_abs"] == pytest.approx(5 / 18) and methods["any"]["deficit"] < 0
    assert "signals move independently" in methods["theorem-3.1"]["failure"]
    assert run(ALONE, "--method", "any", "--objective", "surplus", "--participation", "interim", "--fee")[0] == 0


def test_bad_options():
    with pytest.raises(InputError, match="none of 'convex', 'spanning', 'stacked'"):
        run(CROSSED, "--method", "least")
    with pytest.raises(InputError, match="neither 'efficient' nor 'constant'"):
        run(CROSSED, "--last-period", "none")


def test_the_system_of_an_agent_with_one_signal(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text(one_signal(), encoding="utf-8")
    status, out, _ = run(path, "--systems", "--report-only")
    assert status == 0 and "cannot be lost: one own signal" in out and " inf," not in out


def one_signal():
    """Two signals and one."""
    return """
kind = "interdependent"
horizon = "infinite"
discount = "9/10"
actions = ["none", "sell"]
initial = [["1/2"], ["1/2"]]
kernel = [[[["1/4"], ["3/4"]]], [[["3/4"], ["1/4"]]]]
[[agents]]
values = [[[0], [0]], [[1], [2]]]
[[agents]]
values = [[[0], [0]], [[1], [-1]]]
"""
