"""The pages say what there is: every name, mechanism, constraint, command and key; links lead
somewhere; snippets run.
"""

import json
import re
import shlex
import sys
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

import mechopt as mo
from mechopt.cli import main
from mechopt.cli.app import COMMANDS, application
from mechopt.mechanism.constraints import ALL_CONSTRAINTS, IMPLIES
from mechopt.modelfile.loading import KINDS
from mechopt.study.compare.compare import NAMES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
TEXT = {path: path.read_text(encoding="utf-8") for path in PAGES}
FENCE = re.compile(r"^```(\{?[a-z]*\}?[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
LABEL = re.compile(r"^\(([a-z0-9-]+)\)=$", re.MULTILINE)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)

each_page = pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(DOCS)) for path in PAGES])


def fences(path, kind):
    return [body for info, body in FENCE.findall(TEXT[path]) if info == kind]


def outside_fences(path):
    return FENCE.sub("", TEXT[path])


def anchors(path):
    """As the pages' headings are linked to: lower case, other signs left out, blanks as hyphens."""
    return {re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-") for text in HEADING.findall(TEXT[path])}


def test_the_folder_of_pages_is_found():
    assert len(PAGES) > 20


def test_every_public_name_has_one_entry_in_the_reference():
    listed = [name for path in PAGES for body in fences(path, "{api}") for name in body.split()]
    public = set(mo.__all__) - set(mo.NAMESPACES)
    public |= {f"{space}.{name}" for space in mo.NAMESPACES for name in getattr(mo, space).__all__}
    public -= {"errors.InputError"}  # listed as what it is beside the functions
    missing = sorted(public - set(listed))
    assert not missing, f"list them in a page of docs/api: {missing}"
    assert sorted(listed) == sorted(public), "a name is listed twice, or is no longer public"


def test_attributes_that_a_docstring_lists_together_are_documented_one_by_one(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from docstrings import one_by_one

    given = [
        "A, b : not in the section.",
        "",
        "Attributes",
        "-----",
        "lower, upper : float",
        "    Money.",
        "method : str",
    ]
    each = ["lower : float", "    Money.", "upper : float", "    Money.", "method : str"]
    assert list(one_by_one(given)) == [*given[:4], *each]
    plain = [line for line in mo.Mechanism.__doc__.splitlines() if line.strip()]
    assert list(one_by_one(plain)) == plain


def test_every_mechanism_of_a_comparison_has_a_page():
    labels = {label for path in PAGES if path.parent.name == "mechanisms" for label in LABEL.findall(TEXT[path])}
    missing = sorted(set(NAMES) - labels)
    assert not missing, f"write a page in docs/mechanisms that begins with the label (name)=: {missing}"
    index = TEXT[DOCS / "mechanisms" / "index.md"]
    assert [name for name in NAMES if f"`{name}`" not in index] == []


def test_every_page_of_a_mechanism_is_in_the_list_and_has_its_parts():
    index = TEXT[DOCS / "mechanisms" / "index.md"]
    for path in (DOCS / "mechanisms").glob("*.md"):
        if path.name == "index.md":
            continue
        headings = HEADING.findall(TEXT[path])
        assert f"\n{path.stem}\n" in index, f"{path.name} is not in the list of pages"
        assert {"Statement", "What is checked"} <= set(headings), path.name
        assert "\nSource: " in TEXT[path], f"{path.name} names no source"


@pytest.mark.parametrize("constraint", ALL_CONSTRAINTS, ids=lambda constraint: constraint.name)
def test_constraint_is_in_the_table_of_constraints(constraint):
    assert f"| `{constraint.name}` |" in TEXT[DOCS / "constraints.md"]


def test_diagram_of_constraints_shows_every_constraint_and_implication(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from constraint_diagram import drawing, implications, sentences

    for role in ("ic", "ir"):
        picture = drawing(role)
        for constraint in ALL_CONSTRAINTS:
            assert (f">{constraint.name}</text>" in picture) == (constraint.role == role)
        graph = implications(role)
        assert picture.count("marker-end=") == graph.number_of_edges()
        assert 'role="img"' in picture and "<title" in picture and "<desc" in picture
    told = f"{sentences('ic')} {sentences('ir')}".split(". ")
    assert len(told) == len(IMPLIES)


@each_page
def test_links_lead_to_pages_headings_and_names(path):
    for target in LINK.findall(outside_fences(path)):
        if target.startswith("mechopt."):
            assert hasattr(mo, target.split(".")[1]), f"{target} is not a public name"
            continue
        assert not target.startswith(("http:", "https:")), f"{target}: links to other sites go stale"
        where, _, anchor = target.partition("#")
        found = (path.parent / where).resolve() if where else path
        assert found.is_file(), f"{target} does not exist"
        assert not anchor or anchor in anchors(found), f"{target}: no such heading"


@each_page
def test_lists_of_pages_name_pages_that_exist(path):
    for body in fences(path, "{toctree}"):
        for name in (line for line in body.splitlines() if line and not line.startswith(":")):
            notebook = (DOCS.parent / f"{name}.ipynb").is_file()  # copied into the pages' folder when they are built
            assert "*" in name or notebook or (path.parent / f"{name}.md").is_file(), f"{name}.md does not exist"


def test_notebooks_are_all_listed_and_import_nothing_private():
    """01, 08 and 09 first; what a notebook uses, a reader can use."""
    listed = re.findall(r"^notebooks/(\S+)$", TEXT[DOCS / "notebooks.md"], re.MULTILINE)
    folder = DOCS.parent / "notebooks"
    assert sorted(listed) == sorted(path.stem for path in folder.glob("*.ipynb"))
    assert [name[:2] for name in listed[:3]] == ["01", "08", "09"]
    for path in folder.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for line in cell["source"] if cell["cell_type"] == "code" else ():
                private = re.match(r"\s*(from mechopt\S* import|import mechopt\.)", line)
                assert not private or line.strip().startswith("from mechopt import"), f"{path.name}: {line}"


@pytest.mark.parametrize("path", sorted((DOCS.parent / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem[:2])
def test_notebooks_are_stored_with_what_they_show(path):
    """The pages do not run them: without stored outputs a reader sees code alone."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert sum(bool(cell["outputs"]) for cell in cells) >= len(cells) / 3


def test_every_bundled_model_has_a_topic_and_a_title(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from bundled_models import by_topic, linked

    listed = [entry for models in by_topic().values() for entry in models]
    assert linked("courty-li-2000/tickets") == "[`courty-li-2000/tickets`](catalogue/courty-li-2000.md)"
    assert sorted(name for name, _ in listed) == sorted(mo.formats.bundled()) and all(title for _, title in listed)


def test_badges_are_there_where_the_repository_is_known(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from badges import links

    assert links("") == "" == links("/srv/clone")
    for address in ("https://github.com/some-one/mech.opt.git", "git@github.com:some-one/mech.opt"):
        assert "colab.research.google.com/github/some-one/mech.opt/blob/main/notebooks/01-" in links(address)
        assert "mybinder.org/v2/gh/some-one/mech.opt/main" in links(address)


def test_without_a_network_no_inventory_is_asked_for(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    import inventories

    asked = []

    def unreachable(address, timeout):
        asked.append((address, timeout))
        raise OSError("no network")

    monkeypatch.setattr(inventories, "urlopen", unreachable)
    assert inventories.reachable() == {} and len(asked) == 1 and asked[0][1] <= 5


def models():
    bodies = [body for path in PAGES for body in fences(path, "toml") if re.search(r"^kind = ", body, re.MULTILINE)]
    return [pytest.param(body, id=f"{re.search('kind = .([a-z]+)', body)[1]}-{k}") for k, body in enumerate(bodies)]


@pytest.mark.parametrize("body", models())
def test_model_file_on_a_page_is_read(body):
    (mo.formats.loads_parametric if "[parameters]" in body else mo.loads)(body)


def test_every_kind_of_model_file_has_an_example_and_its_keys():
    page = DOCS / "files.md"
    examples = [re.search(r'^kind = "([a-z]+)"', body, re.MULTILINE) for body in fences(page, "toml")]
    assert {match[1] for match in examples if match} == set(KINDS)
    assert {f"{{keys}} {kind}" for kind in (*KINDS, "study")} <= {info for info, _ in FENCE.findall(TEXT[page])}


def test_study_file_on_a_page_is_read(tmp_path):
    (body,) = (body for body in fences(DOCS / "files.md", "toml") if "[grid]" in body)
    (tmp_path / "study.toml").write_text(body, encoding="utf-8")
    assert mo.formats.read_study(tmp_path / "study.toml").count == 4 * 3  # horizons 1 to 4, three upper values


def test_every_command_has_its_section(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from commands import commands, reference

    text = reference()
    found = list(commands(application()))
    assert len(found) >= len(COMMANDS)
    for path, function in found:
        assert f"## {path}\n\n{function.__doc__.splitlines()[0]}" in text
    assert "| `--json` |" in text and "| `--time-limit NUMBER` | seconds for the solver |" in text


def test_every_command_is_in_the_list_of_the_readme():
    listed = re.findall(r"^mechopt ([a-z|, -]+)", (DOCS.parent / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for line in listed for name in re.split(r"[ |,]+", line)}
    assert set(COMMANDS) - names == set()


def run(line, monkeypatch, capsys):
    """Exit status and output of a command line, in this process."""
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    status = 0
    try:
        main()
    except SystemExit as error:
        status = int(error.code or 0)
    return status, capsys.readouterr().out


def consoles():
    found = [(path, body) for path in PAGES for body in fences(path, "console")]
    return [pytest.param(path, body, id=f"{path.stem}-{k}") for k, (path, body) in enumerate(found)]


NAMED = re.compile(r"`([\w-]+\.toml)`:\n\n```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A model file that a page gives under a name, for its commands."""


@pytest.mark.parametrize(("path", "body"), consoles())
def test_commands_on_a_page_print_what_it_says(path, body, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, text in NAMED.findall(TEXT[path]):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for part in re.split(r"^\$ ", body.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        status, printed = run(line, monkeypatch, capsys)
        assert status == 0, f"{line}: exit status {status}"
        assert OutputChecker().check_output(expected, printed, ELLIPSIS | NORMALIZE_WHITESPACE), printed
        for page in re.findall(r"--html (\S+)", line):
            written = (tmp_path / page).read_text(encoding="utf-8")
            assert written.lower().startswith("<!doctype html>") and "http" not in re.findall(r'src="(\w*)', written)


def test_the_version_to_cite_is_this_one():
    assert f"version = {{{mo.__version__}}}" in TEXT[DOCS / "cite.md"]


SMALL = {
    "solve": "mirrokni-2020/two-values-two-periods --exact",
    "show": "mirrokni-2020/two-values-two-periods --exact",
    "compare": "mirrokni-2020/two-values-two-periods",
    "maximin": "mirrokni-2020/maximin-equal-revenue-5",
    "frontier": "mirrokni-2020/two-values-two-periods",
    "transfers": "liu-2025/crossed-signals",
    "size": "mirrokni-2020/two-values-two-periods",
    "sweep": "horizons --out sweep",
    "search": "worst-balance-search --budget 5 --out search",
    "fit": "ebay-mario-kart-2009 --price total_price --bidders 5 --drop-above 100 --resamples 10",
}


@pytest.mark.parametrize("command", SMALL)
def test_keys_of_json_output_are_on_the_page_of_files(command, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    _, printed = run(f"mechopt {command} {SMALL[command]} --json", monkeypatch, capsys)
    (row,) = (line for line in TEXT[DOCS / "files.md"].splitlines() if line.startswith(f"| `{command}` |"))
    document = json.loads(printed)
    rows = [document, *(entry for value in document.values() if isinstance(value, list) for entry in value)]
    keys = {key for part in rows if isinstance(part, dict) for key in part}
    assert [key for key in sorted(keys) if f"`{key}`" not in row] == []
