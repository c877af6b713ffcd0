"""The fence ``{models}``: bundled models by topic, each with its title, from their files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt.modelfile import bundled

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
FENCE = "```{models}\n```"
TOPICS: dict[str, tuple[str, ...]] = {
    "Selling again and again to the same buyers": ("mirrokni-2020", "ebay"),
    "Subscriptions: types that persist": (
        "baron-besanko-1984",
        "battaglini-2005",
        "papadimitriou-et-al-2022",
        "stokey-1979",
    ),
    "What is known at contracting, and what is learned later": (
        "bergemann-castro-weintraub-2020",
        "courty-li-2000",
        "eso-szentes-2007",
        "kakade-lobel-nazerzadeh-2013",
        "kraehmer-strausz-2015",
    ),
    "Stock, dates and arrivals": ("gallego-van-ryzin-1994",),
    "Efficiency for ever: pivots and scheduling": ("bergemann-valimaki-2010",),
    "Trade, partnerships and public goods that pay for themselves": (
        "athey-segal-2013",
        "cramton-gibbons-klemperer-1987",
        "mailath-postlewaite-1990",
        "myerson-satterthwaite-1983",
        "skrzypacz-toikka-2015",
    ),
    "Auctions of one period": (
        "bulow-klemperer-1996",
        "edelman-ostrovsky-schwarz-2007",
        "gershkov-et-al-2013",
        "maskin-riley-1989",
        "myerson-1981",
    ),
    "Prices, menus and regulation of one period": (
        "baron-myerson-1982",
        "hart-nisan-2017",
        "hart-reny-2015",
        "laffont-robert-1996",
        "lewis-sappington-1989",
        "mussa-rosen-1978",
        "stiglitz-1977",
    ),
    "No money, or money that is burnt": ("guo-hoerner-2018", "hartline-roughgarden-2008", "zhang-conitzer-2021"),
    "Correlated signals and interdependent values": (
        "cremer-mclean-1985",
        "cremer-mclean-1988",
        "dasgupta-maskin-2000",
        "liu-2025",
        "riordan-sappington-1988",
    ),
    "A seller who does not know the future": (),
}
"""Folders of models by topic, in the order of the page; the last has the models of scenarios, whatever their folder."""


def by_topic() -> dict[str, list[tuple[str, str]]]:
    """(name, title) of the bundled models of each topic.

    Raises
    ------
    KeyError
        If a folder has no topic yet.
    """
    found: dict[str, list[tuple[str, str]]] = {topic: [] for topic in TOPICS}
    topics = {folder: topic for topic, folders in TOPICS.items() for folder in folders}
    for name, path in sorted(bundled().items()):
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        topic = list(TOPICS)[-1] if file["kind"] == "scenarios" else topics[name.partition("/")[0]]
        found[topic].append((name, str(file.get("title", ""))))
    return found


def tables() -> str:
    """Markdown: a table a topic; a model that the catalogue speaks of leads to that page."""
    parts = []
    for topic, models in by_topic().items():
        rows = "\n".join(f"| {linked(name)} | {title} |" for name, title in models)
        parts.append(f"### {topic}\n\n| model | about |\n|---|---|\n{rows}")
    return "\n\n".join(parts)


def linked(name: str) -> str:
    """A model's name, which leads to the page of the catalogue that speaks of it, its paper's rather than another's."""
    folder = name.partition("/")[0]
    pages = [page.name for page in (DOCS / "catalogue").glob("*.md") if name in page.read_text(encoding="utf-8")]
    pages.sort(key=lambda page: (not page.startswith(folder), page))
    page = next((found for found in pages if found != "index.md"), None)
    return f"`{name}`" if page is None else f"[`{name}`](catalogue/{page})"


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fence of a page."""
    if FENCE in source[0]:
        source[0] = source[0].replace(FENCE, tables())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
