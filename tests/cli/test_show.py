"""`mechopt show`: the table at 80 columns, JSON, a saved mechanism, a page."""

import json

import pytest

import mechopt as mo

LOCAL = "battaglini-2005/local-constraints-are-not-enough"
TABLE = """\
optimal revenue 157/40; 4 histories in 2 states, 3 payments
option: the price of the item depends on what was reported before (4, 13/4)
verified: bayesian satisfied, interim satisfied

   state         when    report  then  pays  next
─────────────────────────────────────────────────
A  not sold yet  t=0..1  0, 1    keep     0  A
                         2       sell     4  B
B  sold before   t=1     any     sell  13/4  end
likeliest histories
  35.0%  2 2
  17.5%  0 0
  17.5%  1 1
   7.5%  2 0
   7.5%  2 1
  15.0%  in 4 more
remembering less earns: nothing of the past 94.90%
"""


def test_show_prints_the_table(mechopt):
    status, out, err = mechopt("show", LOCAL)
    assert (status, err) == (0, "")
    assert out.endswith(TABLE)


def test_solve_ends_with_the_table_where_there_are_few_states(mechopt):
    _, out, _ = mechopt("solve", LOCAL)
    assert out.endswith(TABLE)
    _, out, _ = mechopt("solve", "mirrokni-2020/two-values-five-periods")  # 10 states
    assert "likeliest histories" not in out


def test_show_a_model_with_a_parameter(mechopt, tmp_path):
    buyer = '[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1 - p", "p"]\n'
    text = f'kind = "independent"\nhorizon = 1\n{buyer}[parameters]\np = ["0", "1"]\n'
    (tmp_path / "open.toml").write_text(text)
    _, out, _ = mechopt("show", tmp_path / "open.toml", "--at", "p=3/4")
    assert out.startswith("optimal revenue 3/2;") and "constant price: 2" in out
    _, out, _ = mechopt("show", tmp_path / "open.toml", "--at", "p=1/4")
    assert out.startswith("optimal revenue 1;") and "constant price: 1" in out
    status, _, err = mechopt("show", tmp_path / "open.toml")
    assert status == 2 and "--at p=1/2" in err


def test_what_cannot_be_written_is_refused_before_the_work(mechopt, tmp_path):
    for option in ("--html", "--save"):
        status, _, err = mechopt("show", LOCAL, option, tmp_path / "nowhere" / "file.html")
        assert status == 2 and "nowhere" in err


def test_show_as_json(mechopt):
    status, out, _ = mechopt("show", LOCAL, "--json")
    found = json.loads(out)
    assert (status, found["value"], found["histories"], found["memory"]) == (
        0,
        pytest.approx(3.925),
        4,
        "the last report",
    )
    assert found["states"][1]["rules"] == [{"reports": "any", "then": "sell", "payments": [3.25], "next": []}]
    assert sum(entry["probability"] for entry in found["likeliest"]) == pytest.approx(1)


def test_show_a_saved_mechanism_with_its_own_payments(mechopt, tmp_path):
    env = mo.load("mirrokni-2020/two-values-three-periods")
    mo.repeated_myerson(env).save(tmp_path / "posted.npz")
    status, out, _ = mechopt("show", "mirrokni-2020/two-values-three-periods", tmp_path / "posted.npz")
    assert status == 0
    assert "constant price: 1 for each item" in out
    assert "remembering" not in out


def test_show_saves_what_it_shows(mechopt, tmp_path):
    path = tmp_path / "readable.npz"
    assert mechopt("show", LOCAL, "--save", path)[0] == 0
    assert mechopt("verify", LOCAL, path)[0] == 0
    _, out, _ = mechopt("show", LOCAL, path)
    assert TABLE.splitlines()[6:9] == [line for line in out.splitlines() if line in TABLE.splitlines()[6:9]]


def test_show_refuses_options_of_the_optimum_for_a_given_mechanism(mechopt, tmp_path):
    status, _, err = mechopt("show", LOCAL, tmp_path / "none.npz", "--ic", "bayesian")
    assert status == 2 and "leave them out" in err


@pytest.mark.parametrize("name", ["liu-2025/crossed-signals", "myerson-1981/two-bidders-five-values"])
def test_several_agents_fit_eighty_columns(mechopt, name):
    status, out, _ = mechopt("show", name)
    assert status == 0
    _, *rest = out.splitlines()
    assert max(map(len, rest)) <= 80
    assert "in the order of agents" in out


def test_a_slider_of_the_parameter_is_in_the_page(mechopt, tmp_path):
    buyer = '[[buyers]]\nvalues = [1, "h"]\nprobabilities = ["1 - p", "p"]\n'
    text = f'kind = "independent"\nhorizon = 2\n{buyer}[parameters]\np = ["0", "1"]\nh = ["1", "9"]\n'
    (tmp_path / "open.toml").write_text(text)
    page = tmp_path / "page.html"
    asked = ("show", tmp_path / "open.toml", "--at", "p=1/3,h=2", "--html", page)
    status, _, _ = mechopt(*asked, "--slider", "p")
    written = page.read_text()
    assert status == 0 and 'id="formula-slider"' in written and 'value="1/3"' in written
    data = json.loads(written.partition('id="formula-data">')[2].partition("</script>")[0])
    assert (data["parameter"], data["start"], data["stop"]) == ("p", "0", "1") and len(data["pieces"]) > 1
    assert mechopt(*asked, "--slider", "p", "--subject-to", "no-money")[0] == 0
    data = json.loads(page.read_text().partition('id="formula-data">')[2].partition("</script>")[0])
    assert [piece["text"] for piece in data["pieces"]] == ["0"]
    assert mechopt(*asked)[0] == 0 and 'id="formula-slider"' not in page.read_text()
    for wrong in (("--slider", "q"), ("--slider", "p", "--at", "h=2")):
        assert mechopt(*asked, *wrong)[0] == 2
    assert mechopt("show", LOCAL, "--slider", "p")[0] == 2


def test_show_takes_the_names_of_compare(mechopt):
    status, out, err = mechopt("show", "mirrokni-2020/two-values-three-periods", "repeated-myerson")
    assert (status, err) == (0, "") and "revenue 3; 7 histories in 1 state" in out and "constant price: 1" in out
    _, out, _ = mechopt("show", "mirrokni-2020/two-values-three-periods", "bank-account")  # made of the optimum
    assert "revenue 7/2;" in out
    _, out, _ = mechopt("show", "bergemann-valimaki-2010/scheduling", "dynamic-pivot")
    assert "1 entry of its tables in 1 state" in out
    for name, words in (
        ("two-perod", "did you mean 'two-period'?"),
        ("dynamic-pivot", "not a mechanism for kind 'independent'"),
        ("nowhere.npz", "cannot read"),
    ):
        status, out, err = mechopt("show", "mirrokni-2020/two-values-three-periods", name)
        assert (status, out) == (2, "") and words in err
    status, _, err = mechopt("show", LOCAL, "relaxed-bound")
    assert status == 2 and "is a bound" in err
