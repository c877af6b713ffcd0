"""Inventories of other projects' pages, for links to their names: those that can be reached now.

Without a network there are none, and a name of numpy is plain text; a build never fails for that.
"""

from __future__ import annotations

from urllib.request import urlopen

PROJECTS = {
    "python": "https://docs.python.org/3",
    "numpy": "https://numpy.org/doc/stable",
    "pandas": "https://pandas.pydata.org/docs",
    "matplotlib": "https://matplotlib.org/stable",
    "networkx": "https://networkx.org/documentation/stable",
    "xarray": "https://docs.xarray.dev/en/stable",
}
SECONDS = 3.0


def reachable() -> dict[str, tuple[str, None]]:
    """Names and addresses of projects whose inventory answers; the first that does not ends the search."""
    found: dict[str, tuple[str, None]] = {}
    for name, address in PROJECTS.items():
        try:
            with urlopen(f"{address}/objects.inv", timeout=SECONDS) as answer:
                answer.read(16)
        except (OSError, ValueError):
            break
        found[name] = address, None
    return found
