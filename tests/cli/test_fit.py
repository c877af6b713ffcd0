"""``mechopt fit`` as a user calls it."""

import json

import pytest

import mechopt as mo

EBAY = ("fit", "ebay-mario-kart-2009", "--price", "total_price", "--less", "shipping", "--resamples", "20")


@pytest.fixture
def bids(tmp_path):
    path = tmp_path / "bids.csv"
    path.write_text("who,t,bid\na,0,1\na,1,2\nb,0,2\nb,1,3\nb,2,\nc,0,50\n")
    return path


def test_model_goes_to_standard_output(mechopt, bids):
    status, out, err = mechopt("fit", bids, "--value", "bid", "--types", "3", "--drop-missing", "--drop-above", "10")
    assert (status, err) == (0, "")
    # the values are 1, 2, 2, 3: no more of them than types
    assert mo.loads(out) == mo.IndependentTypes.iid([1, 2, 3], ["1/4", "1/2", "1/4"], horizon=1)
    assert f"mechopt fit {bids} --value bid --types 3 --drop-missing --drop-above 10" in out.replace("\n#     ", " ")
    assert "# dropped: 1 row: a cell is missing (line 6)" in out
    assert "# dropped: 1 row: bid above 10 (line 7)" in out


def test_model_is_written_whole_and_solved(mechopt, tmp_path):
    path = tmp_path / "shop.toml"
    options = ("--bidders", "5", "--drop-above", "100", "--periods", "2", "--types", "4", "--save", path)
    status, out, err = mechopt(*EBAY, *options)
    assert status == 0
    assert f"written: {path}" in err
    assert "Athey and Haile" in out
    status, out, _ = mechopt("solve", path, "--json")
    assert status == 0
    best = mo.optimum(mo.load(path))
    assert json.loads(out)["value"] == pytest.approx(best.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["shop.toml"]


def test_one_document_with_all_that_is_known(mechopt):
    status, out, _ = mechopt(*EBAY, "--bidders", "4", "--reserve", "start_price", "--json")
    assert status == 0
    document = json.loads(out)
    assert document["rows"] == 143
    assert document["dropped"] == []
    assert len(document["interval"]["probabilities"]) == len(document["values"]) == 6
    assert document["distance"]["wasserstein"] > 0
    assert any("sold at their start price" in note for note in document["notes"])
    assert mo.loads(document["model"]).agents == 1


def test_panel_gives_a_markov_model(mechopt, bids):
    options = ("--value", "bid", "--bidder", "who", "--period", "t", "--types", "2", "--drop-missing")
    status, out, _ = mechopt("fit", bids, *options, "--smoothing", "1", "--periods", "3", "--title", "Two types")
    assert status == 0
    env = mo.loads(out)
    assert (env.kind, env.horizon) == ("markov", 3)
    assert 'title = "Two types"' in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            [],
            "--value, --price: name no column of 'who', 't', 'bid'; give --value COLUMN for values, or --price",
        ),
        (["--value", "bid", "--price", "bid"], "--value, --price: name both"),
        (["--value", "bid", "--bidders", "3"], "--bidders: is for data with --price; leave it out"),
        (["--value", "bid", "--smoothing", "1"], "--smoothing: is for data with --bidder and --period"),
        (["--value", "bid", "--bidder", "who"], "period: is missing"),
        (["--value", "bid"], "line 6, column 'bid': is missing"),
        (["--value", "bit"], "has no column 'bit'; did you mean 'bid'?"),
        (["--value", "who"], "line 2, column 'who': 'a' is not a number"),
        (["--price", "bid"], "bidders: is missing; give a number or a column (--bidders)"),
        (["--price", "bid", "--bidders", "1", "--drop-missing"], "with one bidder the price is the start price"),
        (
            ["--price", "bid", "--bidders", "t", "--drop-missing"],
            "line 2, column 't': is 0 (4 more of this kind: lines 3, 4, 5, 7); write a whole",
        ),
        (["--value", "bid", "--drop-missing", "--cost", "free"], "'free' is not a number"),
    ],
    ids=[
        "nothing-named",
        "both",
        "bidders-without-price",
        "smoothing-without-panel",
        "no-period",
        "missing-cell",
        "near-column",
        "text-column",
        "no-bidders",
        "one-bidder",
        "bidders-column",
        "cost",
    ],
)
def test_bad_input_is_status_2_with_the_mend(mechopt, bids, options, message):
    status, out, err = mechopt("fit", bids, *options)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_folder_that_does_not_exist_is_not_written_to(mechopt, bids, tmp_path):
    status, _, err = mechopt(
        "fit", bids, "--value", "bid", "--drop-missing", "--save", tmp_path / "absent" / "model.toml"
    )
    assert status == 2
    assert "cannot write" in err


def test_the_fit_is_drawn(mechopt, tmp_path):
    status, _, err = mechopt(*EBAY, "--bidders", "5", "--drop-above", "100", "--plot", tmp_path / "fit.svg")
    assert status == 0 and f"drawn: {tmp_path / 'fit.svg'}" in err
    assert (tmp_path / "fit.svg").read_bytes()[:5] == b"<?xml"
    status, _, err = mechopt(*EBAY, "--bidders", "5", "--plot", tmp_path / "fit.gif")
    assert status == 2 and "pictures end in" in err


def test_a_model_says_why_it_has_one_buyer(mechopt, tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text('price\n"$1,000"\n$1200\n$900.50\n"$1,100"\n')
    options = ("fit", path, "--price", "price", "--bidders", "4", "--currency", "$", "--types", "2", "--resamples", "5")
    status, out, _ = mechopt(*options)
    said = " ".join(out.replace("#", " ").split())
    assert status == 0 and "the model has 1 buyer, the auctions had 4 bidders" in said and "--buyers 4" in said
    _, out, _ = mechopt(*options, "--buyers", "4")
    assert "the auctions had" not in " ".join(out.replace("#", " ").split())
    assert mo.loads(out).agents == 4


def test_a_data_frame_gives_the_fit_of_its_file(bids):
    import pandas as pd

    frame = pd.read_csv(bids).dropna()
    given = dict(bidder="who", period="t", types=2, resamples=5)
    assert (
        mo.fit.fit_panel(frame, "bid", **given).environment
        == mo.fit.fit_panel(bids, "bid", drop_missing=True, **given).environment
    )
    assert (
        mo.fit.fit_values(frame, "bid", types=3).environment
        == mo.fit.fit_values(bids, "bid", types=3, drop_missing=True).environment
    )
    sold = pd.DataFrame({"price": [3.0, 4.0, 5.0], "n": [2, 3, 2], "fee": [1, 1, 0.5]})
    found = mo.fit.fit_second_price(sold, "price", bidders="n", less="fee", types=2, resamples=5)
    assert found.rows == 3 and found.source == ""
