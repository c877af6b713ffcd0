"""HTML pages as the tests read them: tags, attributes, cells, and what a browser would fetch or run."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}
FETCHING = {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}


class Page(HTMLParser):
    """A parsed page.

    Attributes
    ----------
    elements : list of (tag, attributes)
    tables : dict
        Id of a table to its rows, each a list of texts; those of marks are the words for screen readers.
    scripts : list of str
    text : str
        All text outside of scripts and style sheets.
    """

    def __init__(self, source):
        super().__init__()
        self.elements, self.tables, self.scripts, self.text = [], {}, [], ""
        self._open, self._rows, self._hidden = [], [], 0
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in VOID:
            return
        self._open.append((tag, dict(attributes)))
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attributes).get("id", ""), [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data):
        tags = [tag for tag, _ in self._open]
        if "script" in tags:
            self.scripts[-1] += data
        elif "style" not in tags:
            self.text += data
            seen = not any(attributes.get("aria-hidden") for _, attributes in self._open)
            if seen and ("td" in tags or "th" in tags):
                self._rows[-1][-1] += data

    def all(self, key):
        """Values of an attribute, in order."""
        return [attributes[key] for _, attributes in self.elements if key in attributes]

    def fetched(self):
        """What a browser would fetch for the page, besides places in it."""
        found = [
            value
            for _, attributes in self.elements
            for key, value in attributes.items()
            if key in FETCHING and not (value or "").startswith(("#", "data:"))
        ]
        return found + [tag for tag, _ in self.elements if tag in ("link", "iframe", "object", "embed", "base", "img")]

    def handlers(self):
        """Attributes that run something."""
        return [key for _, attributes in self.elements for key in attributes if key.startswith("on")]
