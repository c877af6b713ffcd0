"""What the package says of itself agrees: metadata, citation, bounds, the list last seen green, the gate's jobs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mechopt as mo

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: [Requirement(row) for row in rows] for name, rows in PROJECT["optional-dependencies"].items()}
CORE = [Requirement(row) for row in PROJECT["dependencies"]]
GREEN = (ROOT / "requirements" / "green.txt").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def wanted(*extras):
    """Requirements of the core and of these extras, and of the extras that they name."""
    waiting, found = [*CORE, *(one for extra in extras for one in EXTRAS[extra])], []
    while waiting:
        one = waiting.pop()
        if one.name == "mechopt":
            waiting += [other for extra in one.extras for other in EXTRAS[extra]]
        else:
            found.append(one)
    return found


def pins():
    rows = [row for row in GREEN.splitlines() if row and not row.startswith("#")]
    return [tuple(row.split("==")) for row in rows]


def versions(*arguments, script=ROOT / ".ci" / "versions.py"):
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_version_is_written_once_and_cited():
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    assert metadata("mechopt")["Version"] == mo.__version__
    assert CITATION["version"] == mo.__version__


def test_citation_and_its_page_name_the_same_work():
    page = (ROOT / "docs" / "cite.md").read_text(encoding="utf-8")
    (author,), (metadata_author,) = CITATION["authors"], PROJECT["authors"]
    assert f"title   = {{{CITATION['title']}}}" in page
    assert f"author  = {{{{{author['name']}}}}}" in page
    assert f"license = {{{CITATION['license']}}}" in page
    assert author == metadata_author
    assert CITATION["license"] == PROJECT["license"] and CITATION["abstract"] == PROJECT["description"]
    assert CITATION["keywords"] == PROJECT["keywords"]


def test_metadata_names_status_system_and_pythons():
    named = PROJECT["classifiers"]
    assert [row for row in named if row.startswith("Development Status ::")]
    assert [row for row in named if row.startswith("Operating System ::")]
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert lowest == min(pythons(), key=minor)


def pythons():
    found = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", row) for row in PROJECT["classifiers"]]
    return [match[1] for match in found if match]


def minor(python):
    return int(python.partition(".")[2])


def test_workflow_has_every_python_and_system_and_every_job_of_the_gate():
    matrix = WORKFLOW["jobs"]["core"]["strategy"]["matrix"]
    assert set(pythons()) <= set(matrix["python"])
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    called = {step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step}
    assert set(re.findall(r"^\.ci/\w+", RUN, re.MULTILINE)) <= called
    assert set(re.findall(r"^\.ci/\w+", RUN, re.MULTILINE)) == {".ci/main", ".ci/lowest", ".ci/newest"}
    for script in called:
        assert re.fullmatch(r"\.ci/\w+", script) and (ROOT / script).is_file()


def test_scripts_named_in_readme_and_scripts_exist_and_can_be_run():
    texts = [README, *(path.read_text(encoding="utf-8") for path in (ROOT / ".ci").iterdir() if path.is_file())]
    for name in {name for text in texts for name in re.findall(r"\.ci/(\w+(?:\.py)?)", text)}:
        path = ROOT / ".ci" / name
        assert path.is_file(), name
        if sys.platform != "win32" and path.read_text(encoding="utf-8").startswith("#!"):
            assert os.access(path, os.X_OK), name


@pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="needs bash")
def test_scripts_are_sound_to_bash():
    for path in (ROOT / ".ci").iterdir():
        if path.is_file() and path.suffix == "":
            subprocess.run(["bash", "-n", str(path)], check=True)


def test_readme_and_the_gate_install_what_was_last_seen_green():
    assert '.venv/bin/pip install -q -c requirements/green.txt -e ".[dev]" && .venv/bin/pytest -n 2' in README
    common = (ROOT / ".ci" / "common").read_text(encoding="utf-8")
    assert "green=requirements/green.txt" in common
    for job in ("main", "core"):
        assert 'install -c "$green" -e ".[dev]"' in (ROOT / ".ci" / job).read_text(encoding="utf-8")


def test_green_pins_every_dependency_of_development_and_pages_within_its_bounds():
    found = {canonicalize_name(name): version for name, version in pins()}
    assert len(found) == len(pins()), "a package is listed twice"
    for one in wanted("dev", "docs"):
        version = found.get(canonicalize_name(one.name))
        assert version is not None, f"{one.name} is not in requirements/green.txt; run .ci/refresh"
        assert one.specifier.contains(version, prereleases=True), f"{one}: {version} is not allowed"


def test_green_pins_nothing_that_makes_environments_nor_mechopt():
    assert not {name for name, _ in pins()} & {"mechopt", "pip", "setuptools", "wheel", "uv"}


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_every_dependency_has_a_lower_bound_and_one_only(extra):
    """Else the job at the lowest versions would install another than the one declared."""
    bounds = {}
    for one in wanted(*[extra] * bool(extra)):
        specifiers = [str(part) for part in one.specifier]
        assert len(specifiers) == 1 and specifiers[0][:2] in (">=", "=="), f"{one}: write NAME>=VERSION"
        bounds.setdefault(canonicalize_name(one.name), set()).add(specifiers[0])
    if extra != "benchmark":  # exact, beside the core's bounds
        assert [name for name, found in bounds.items() if len(found) > 1] == []


def test_lowest_is_what_is_declared():
    extras = ["notebook", "fast", "exact", "report", "dask", "parquet", "xarray"]
    expected = {f"{canonicalize_name(one.name)}=={str(one.specifier)[2:]}" for one in wanted(*extras)}
    assert set(versions("lowest", *extras).stdout.split()) == expected
    assert set(versions("lowest").stdout.split()) == {f"{one.name}=={str(one.specifier)[2:]}" for one in CORE}
    lowest = (ROOT / ".ci" / "lowest").read_text(encoding="utf-8")
    assert f"extras=({' '.join(extras)})" in lowest


@pytest.mark.parametrize(
    ("dependencies", "complaint"),
    [(["numpy"], "'numpy' has no lower bound"), (["numpy>=2.0", "numpy>=2.1"], "numpy has two bounds, 2.0 and 2.1")],
    ids=["none", "two"],
)
def test_a_missing_or_second_bound_is_refused(tmp_path, dependencies, complaint):
    (tmp_path / ".ci").mkdir()
    script = Path(shutil.copy(ROOT / ".ci" / "versions.py", tmp_path / ".ci"))
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "mechopt"\ndependencies = {dependencies!r}\n')
    done = versions("lowest", script=script)
    assert done.returncode == 1 and complaint in done.stderr


def test_what_moved_is_named_with_both_versions(tmp_path):
    now = dict(row.split("==") for row in versions("list").stdout.splitlines() if not row.startswith("#"))
    (tmp_path / "same.txt").write_text(versions("list").stdout)
    assert versions("moved", tmp_path / "same.txt").stdout.strip() == ""
    then = {**now, "numpy": "1.0"}
    del then["scipy"]
    (tmp_path / "then.txt").write_text("# a comment\n" + "\n".join(f"{name}=={at}" for name, at in then.items()))
    lines = versions("moved", tmp_path / "then.txt").stdout.splitlines()
    assert lines == [f"numpy 1.0 -> {now['numpy']}", f"scipy (none) -> {now['scipy']}"]


def test_benchmarks_call_one_release_of_highs():
    (highspy,) = [one for one in EXTRAS["benchmark"] if one.name == "highspy"]
    (highsbox,) = [one for one in EXTRAS["benchmark"] if one.name == "highsbox"]
    assert highspy.specifier == highsbox.specifier and str(highspy.specifier).startswith("==")
