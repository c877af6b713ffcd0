"""``mechopt compare --report`` and ``mechopt sweep --report`` as a user calls them."""

from __future__ import annotations

from tests.pages import Page


def test_compare_writes_a_page(mechopt, tmp_path):
    path = tmp_path / "report.html"
    name = "mirrokni-2020/two-values-four-periods"
    status, _, _ = mechopt("compare", name, "--mechanisms", "repeated-myerson", "--report", path, "--exact")
    assert status == 0
    page = Page(path.read_text("utf-8"))
    assert "= 153/32, proved in exact rationals" in page.text
    assert f"mechopt compare {name} --mechanisms repeated-myerson" in page.text
    assert 'kind = "independent"' in page.text


def test_sweep_writes_a_page(mechopt, tmp_path):
    path = tmp_path / "report.html"
    status, out, _ = mechopt("sweep", "horizons", "--out", tmp_path / "out", "--report", path)
    assert status == 0
    assert "report.html" in out
    assert "4 of 4 points" in Page(path.read_text("utf-8")).text


def test_what_cannot_be_written_is_refused_before_any_work(mechopt, tmp_path):
    for command in ("compare", "sweep"):
        status, _, err = mechopt(command, "horizons", "--report", tmp_path / "absent" / "report.html")
        assert status == 2
        assert "cannot write a page there" in err
    status, _, err = mechopt("compare", "mirrokni-2020/two-values-one-period", "--exact")
    assert status == 2
    assert "--report" in err
