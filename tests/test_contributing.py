"""What the pages for contributors name exists: files, folders, and in checklists the names in those files."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md")]
PAGES += [ROOT / "docs" / "architecture.md", ROOT / "docs" / "glossary.md", *DECISIONS]
TEMPLATES = sorted((ROOT / ".github").rglob("*.md")) + sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
QUOTED = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
ENDINGS = r"py|pyi|md|toml|txt|yml|yaml|cff|ipynb|json|csv"
NAMED = re.compile(rf"(?:[\w.-]+/)*[\w.-]+\.(?:{ENDINGS})|(?:[\w.-]+/)+[\w.-]*")
OURS = (
    "mechopt/",
    "tests/",
    "docs/",
    "models/",
    "notebooks/",
    "benchmarks/",
    "requirements/",
    "studies/",
    "data/",
    ".ci/",
)
COMMANDS = re.compile(rf"(?:^|\s)((?:{'|'.join(map(re.escape, OURS))})[\w./-]+)")
NOT_THERE = {"model.mps", "report.html", "OUT/index.html", "verify/", "1/2", "1/3"}
"""What a command of a page writes, what a decision is against, and fractions."""

each_page = pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])


def named(text):
    """Files and folders that a text names in backticks or runs: with a slash, or with a file's ending."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = {name for name in QUOTED.findall(prose) if NAMED.fullmatch(name)}
    return {name for name in found | set(COMMANDS.findall(text)) if name not in NOT_THERE}


def found(name):
    """The file or folder, from the root or, as pages on the package write, from the package."""
    return next((path for path in (ROOT / name, ROOT / "mechopt" / name) if path.exists()), None)


def test_names_are_told_from_other_words():
    text = (
        "`lp/plan.py` `tests/` `a / b` `mo.load` `1/2` `--ic ppic+indu` `[expected]` and\n```sh\npytest tests/lp\n```\n"
    )
    assert named(text) == {"lp/plan.py", "tests/", "tests/lp"}
    assert found("lp/independent/plan.py") and not found("lp/plan.py")


@each_page
def test_files_that_a_page_names_exist(page):
    names = named(page.read_text(encoding="utf-8"))
    missing = sorted(name for name in names if found(name) is None)
    assert not missing, f"{page.name} names what does not exist: {missing}"


@each_page
def test_links_of_a_page_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if not link.startswith(("http:", "https:"))]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_pages_name_files_at_all():
    counts = {page.name: len(named(page.read_text(encoding="utf-8"))) for page in PAGES}
    assert counts["CONTRIBUTING.md"] > 60 and counts["architecture.md"] > 40 and counts["README.md"] > 50


def checklists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("- [ ] ")]
    return [pytest.param(line, id=f"{k}-{named(line) and min(named(line))}") for k, line in enumerate(lines)]


@pytest.mark.parametrize("line", checklists())
def test_names_in_a_checklist_are_in_the_files_beside_them(line):
    """A line of a checklist names at least one file, and identifiers that one of its files has."""
    paths = [found(name) for name in named(line)]
    assert paths, "names no file"
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths if path is not None and path.is_file())
    names = [name for name in QUOTED.findall(line) if re.fullmatch(r"_?[A-Za-z]\w+", name)]
    missing = [name for name in names if not re.search(rf"\b{name}\b", text)] if text else []
    assert not missing, f"{missing} in none of the files of: {line}"


def test_there_is_a_checklist_for_everything_that_one_adds():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    parts = {part.partition("\n")[0]: part.count("- [ ]") for part in text.split("\n## ")}
    kinds = ("A constraint", "A closed-form mechanism", "A figure", "An environment", "A method")
    assert all(parts[kind] >= 4 for kind in kinds)


def test_every_decision_is_in_the_list_says_why_and_is_half_a_page():
    index = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(DECISIONS) >= 10
    for path in DECISIONS:
        text = path.read_text(encoding="utf-8")
        assert f"\ndecisions/{path.stem}\n" in index
        assert all(f"**{part}.**" in text for part in ("Decided", "Why", "What it costs", "What would change it"))
        assert len(text.split()) < 420, f"{path.name} is longer than half a page"


def test_templates_and_hooks_are_sound():
    forms = [path for path in TEMPLATES if path.suffix == ".yml" and path.stem != "config"]
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(form)
        assert all(part["type"] in ("textarea", "input") and part["attributes"]["label"] for part in form["body"])
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    common = (ROOT / ".ci" / "common").read_text(encoding="utf-8")
    for hook in hooks:
        command = hook["entry"].replace(" --force-exclude", "")
        assert hook["language"] == "system" and command in common, f"the gate does not run {command}"
