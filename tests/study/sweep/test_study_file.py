"""Study files: what is wrong is named by key path, value and fix, all faults at once."""

import pytest

import mechopt as mo
from mechopt.study.sweep.study_file import bundled_studies, read_study
from tests.study.sweeps import BASE, write_study

FAULTS = {
    "nothing-to-vary-from": ("", "model: is missing; name a model file"),
    "missing-base": ('model = "nowhere.toml"', "model: nowhere.toml: no such file"),
    "scenarios-as-base": ('model = "mirrokni-2020/maximin-equal-revenue-5"', "model: is of kind 'scenarios'"),
    "base-and-family": ('model = "base.toml"\n[family]\ncount = 1', "family: is given beside model"),
    "unknown-key": ('modle = "base.toml"', "modle: unknown key; did you mean 'model'?"),
    "unknown-key-in-table": ('model = "base.toml"\n[limits]\nsecond = 1', "limits.second: unknown key; did you mean"),
    "unknown-quantity": (
        'model = "base.toml"\nrecord = ["welfar"]',
        "record[0]: 'welfar' is unknown; did you mean 'welfare'",
    ),
    "quantity-twice": ('model = "base.toml"\nrecord = ["value", "value"]', "record[1]: 'value' is listed twice"),
    "unknown-mechanism": ('model = "base.toml"\nmechanisms = ["two-periods"]', "did you mean 'two-period'?"),
    "unknown-constraint": ('model = "base.toml"\nic = "dics"', "ic: "),
    "negative-seed": ('model = "base.toml"\nseed = -1', "seed: -1 is below 0"),
    "no-seconds": ('model = "base.toml"\n[limits]\nseconds = 0', "limits.seconds: "),
    "unknown-key-to-vary": (
        'model = "base.toml"\n[grid]\nhorizons = [1]',
        "grid.horizons: the model has no such key; did you mean 'horizon'?",
    ),
    "entry-that-is-not-there": (
        'model = "base.toml"\n[grid]\n"buyers.1.values.0" = [1]',
        "did you mean 'buyers.0.values.0'?",
    ),
    "text-to-vary": ('model = "base.toml"\n[grid]\nkind = [1]', "grid.kind: is not a number of the model"),
    "table-to-vary": ('model = "base.toml"\n[grid]\nbuyers = [[1]]', "grid.buyers: is not a number of the model"),
    "dropped-key-to-vary": ('model = "base.toml"\n[grid]\ntitle = [1]', "grid.title: the model has no such key"),
    "no-list": ('model = "base.toml"\n[grid]\nhorizon = 3', "grid.horizon: 3 is not a list of values; write a list"),
    "empty-list": ('model = "base.toml"\n[grid]\nhorizon = []', "grid.horizon: is empty"),
    "text-as-value": ('model = "base.toml"\n[grid]\nhorizon = [1, "two"]', "grid.horizon[1]: 'two' is not a number"),
    "nan-as-value": ('model = "base.toml"\n[grid]\ndiscount = [nan]', "grid.discount[0]: nan is not a finite number"),
    "range-without-end": ('model = "base.toml"\n[grid]\nhorizon = { from = 1 }', "grid.horizon.to: is missing"),
    "range-with-more": (
        'model = "base.toml"\n[grid]\nhorizon = { from = 1, to = 2, by = 1 }',
        "grid.horizon.by: unknown key",
    ),
    "range-backwards": ('model = "base.toml"\n[grid]\nhorizon = { from = 2, to = 1 }', "runs from 2 to 1"),
    "range-without-step": (
        'model = "base.toml"\n[grid]\nhorizon = { from = 1, to = 2, step = 0 }',
        "grid.horizon.step: is 0",
    ),
    "huge-grid": (
        'model = "base.toml"\n[grid]\nhorizon = { from = 1, to = 20000 }\ncost = { from = 0, to = 9.99, step = 0.01 }',
        "grid: asks for 20,000,000 combinations, the limit is 10,000,000 points",
    ),
    "astronomic-grid": (
        'model = "base.toml"\n[grid]\nhorizon = { from = 1, to = 1e40 }',
        "asks for 10,000,000,000,000,000,000,000,000,000,000,000,000,000 combinations",
    ),
    "huge-family": ("[family]\ncount = 20000000", "family.count: asks for 1 combinations of 20,000,000 instances"),
    "negative-count": ("[family]\ncount = -5", "family.count: -5 is below 1"),
    "no-buyers": ("[family]\ncount = 1\nbuyers = [1, 0]", "family.buyers[1]: 0 is below 1"),
    "half-a-period": ("[family]\ncount = 1\nhorizon = 1.5", "family.horizon[0]: 1.5 is not a whole number"),
    "no-horizons": ("[family]\ncount = 1\nhorizon = []", "family.horizon: is empty"),
    "unknown-law": (
        '[family]\ncount = 1\nvalues = { law = "normal" }',
        "family.values.law: 'normal' is not a law; known: uniform",
    ),
    "parameter-of-another-law": (
        '[family]\ncount = 1\nvalues = { law = "uniform", deviation = 1 }',
        "family.values.deviation: is not a parameter of uniform; its parameters: low, high",
    ),
    "no-deviation": ('[family]\ncount = 1\nvalues = { law = "steps", deviation = 0 }', "family.values.deviation: is 0"),
    "negative-values": ('[family]\ncount = 1\nvalues = { law = "uniform", low = -1 }', "family.values.low: is -1"),
    "empty-interval": ('[family]\ncount = 1\nvalues = { law = "uniform", low = 2 }', "family.values.high: is 1"),
    "no-concentration": (
        '[family]\ncount = 1\nprobabilities = { law = "dirichlet", concentration = 0 }',
        "concentration: is 0",
    ),
    "unknown-key-to-vary-in-family": ("[family]\ncount = 1\n[grid]\nhorizn = [1]", "did you mean 'horizon'?"),
    "search-of-the-optimum": (
        '[family]\n[search]\nmechanism = "clairvoyant-optimum"',
        "search.mechanism: 'clairvoyant-optimum' is not a closed-form mechanism",
    ),
    "search-without-budget": (
        '[family]\n[search]\nmechanism = "two-period"\nbudget = 0',
        "search.budget: 0 is below 1",
    ),
    "no-toml": ("model =", "not valid TOML"),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_fault_is_named(tmp_path, text, message):
    path = write_study(tmp_path, text)
    with pytest.raises(mo.InputError) as caught:
        read_study(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_all_faults_come_at_once(tmp_path):
    text = 'model = "nowhere.toml"\nrecord = ["values"]\nmechanisms = ["myerson"]\n[grid]\nhorizon = []'
    with pytest.raises(mo.InputError) as caught:
        read_study(write_study(tmp_path, text))
    assert [fault.where for fault in caught.value.faults] == ["grid.horizon", "model", "record[0]", "mechanisms[0]"]


def test_faults_of_the_base_model_are_named_with_its_file(tmp_path):
    with pytest.raises(mo.InputError, match=r"base\.toml: discount: is 3"):
        read_study(write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1]', "discount = 3\n" + BASE))


def test_missing_study_and_no_text_are_refused(tmp_path):
    with pytest.raises(mo.InputError, match=r"no such file; bundled: .*horizons"):
        read_study(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(mo.InputError, match="is not a UTF-8 text"):
        read_study(tmp_path / "latin.toml")
    with pytest.raises(mo.InputError, match="is a folder"):
        read_study(tmp_path)


def test_family_without_a_count_is_no_sweep(tmp_path):
    study = read_study(write_study(tmp_path, "[family]\nhorizon = 2"))
    with pytest.raises(mo.InputError, match=r"family\.count: is missing"):
        list(study.points())


def test_base_is_found_beside_the_study_and_by_bundled_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    beside = read_study(write_study(tmp_path, 'model = "base.toml"\n[grid]\nhorizon = [1]'))
    bundled = read_study(write_study(tmp_path, 'model = "mirrokni-2020/two-values-one-period"\n[grid]\nhorizon = [1]'))
    assert mo.loads(next(beside.points()).text) == mo.loads(next(bundled.points()).text) == mo.loads(BASE)


@pytest.mark.parametrize("name", bundled_studies())
def test_bundled_study_is_right_and_says_where_it_comes_from(name):
    study = read_study(name)
    assert study.title
    assert study.source
    if study.search is None:
        mo.loads(next(study.points()).text)
