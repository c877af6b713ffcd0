"""The fence ``{constraint-diagram}`` with a role, ``ic`` or ``ir``: which constraints imply which, as SVG."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

import networkx as nx

from mechopt.mechanism.constraints import ALL_CONSTRAINTS, IMPLIES, Constraint

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FENCE = re.compile(r"^```\{constraint-diagram\} (ic|ir)\n```$", re.MULTILINE)
BOX_HEIGHT, LAYER, GAP, LETTER, MARGIN = 30, 78, 26, 7.6, 14
WORDS = {"ic": "incentive", "ir": "participation"}


def implications(role: str) -> nx.DiGraph:
    """Implications between constraints of a role; several premises together meet in a node of their
    own, a frozenset.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(constraint for constraint in ALL_CONSTRAINTS if constraint.role == role)
    for premises, conclusion in IMPLIES:
        if conclusion.role != role:
            continue
        if len(premises) == 1:
            graph.add_edge(*premises, conclusion)
        else:
            graph.add_edge(premises, conclusion)
            graph.add_edges_from((premise, premises) for premise in premises)
    return nx.transitive_reduction(graph)


def with_waypoints(graph: nx.DiGraph) -> tuple[nx.DiGraph, list[list[Any]]]:
    """The graph with a node on every layer that an arrow passes, a tuple; and its layers by longest chain of premises.

    Layers are ordered below the average of what implies their nodes.
    """
    layer = {node: k for k, nodes in enumerate(nx.topological_generations(graph)) for node in nodes}
    refined = nx.DiGraph()
    refined.add_nodes_from(graph)
    for above, below in graph.edges:
        passed = [(above, below, k) for k in range(layer[above] + 1, layer[below])]
        layer |= {waypoint: waypoint[2] for waypoint in passed}
        nx.add_path(refined, [above, *passed, below])
    order = {node: k for k, node in enumerate(ALL_CONSTRAINTS)}
    place: dict[Any, float] = {}
    found: list[list[Any]] = []
    for k in range(max(layer.values()) + 1):
        weights = {}
        for node in (node for node in refined if layer[node] == k):
            above = [place[premise] for premise in refined.predecessors(node)]
            weights[node] = (sum(above) / len(above) if above else 0.0, order.get(node, len(order)))
        found.append(sorted(weights, key=weights.__getitem__))
        place |= {node: number / len(weights) for number, node in enumerate(found[-1])}
    return refined, found


def label(node: Any) -> str:
    """Name of a constraint; "and" where several premises meet; nothing at a waypoint."""
    if isinstance(node, tuple):
        return ""
    return node.name if isinstance(node, Constraint) else "and"


def places(found: list[list[Any]]) -> tuple[dict[Any, tuple[float, float, float]], float, float]:
    """Centre and width of each box; width and height of the picture."""
    widths = [[LETTER * len(label(node)) + 18 * (not isinstance(node, tuple)) for node in layer] for layer in found]
    totals = [sum(layer) + GAP * (len(layer) - 1) for layer in widths]
    width = max(totals) + 2 * MARGIN
    boxes = {}
    for k, (layer, sizes, total) in enumerate(zip(found, widths, totals, strict=True)):
        left = (width - total) / 2
        for node, size in zip(layer, sizes, strict=True):
            boxes[node] = (left + size / 2, MARGIN + BOX_HEIGHT / 2 + k * LAYER, size)
            left += size + GAP
    return boxes, width, 2 * MARGIN + BOX_HEIGHT + (len(found) - 1) * LAYER


def sentences(role: str) -> str:
    """The implications in words, for those who do not see the picture."""
    told = []
    for premises, conclusion in IMPLIES:
        if conclusion.role == role:
            names = sorted(premise.name for premise in premises)
            told.append(f"{' and '.join(names)} {'implies' if len(names) == 1 else 'imply'} {conclusion.name}.")
    return " ".join(told)


def drawing(role: str) -> str:
    """SVG of the implications between constraints of a role, ``"ic"`` or ``"ir"``."""
    graph, found = with_waypoints(implications(role))
    boxes, width, height = places(found)
    title = f"Which {WORDS[role]} constraints imply which"
    parts = [
        f'<svg class="constraints" role="img" aria-labelledby="{role}-title {role}-words" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{role}-title">{title}</title><desc id="{role}-words">{escape(sentences(role))}</desc>',
        f'<defs><marker id="{role}-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
    ]
    for above, below in graph.edges:
        (x, y, _), (u, v, _) = boxes[above], boxes[below]
        passes = isinstance(below, tuple)
        y += 0 if isinstance(above, tuple) else BOX_HEIGHT / 2
        v -= 0 if passes else BOX_HEIGHT / 2
        bend = (v - y) / 2
        path = f"M{x:.1f} {y:.1f} C{x:.1f} {y + bend:.1f} {u:.1f} {v - bend:.1f} {u:.1f} {v:.1f}"
        head = "" if passes else f' marker-end="url(#{role}-arrow)"'
        parts.append(f'<path class="arrow" d="{path}"{head}/>')
    for node, (x, y, size) in boxes.items():
        if isinstance(node, tuple):
            continue
        kind = node.types if isinstance(node, Constraint) else "and"
        parts.append(
            f'<g class="{kind}"><rect x="{x - size / 2:.1f}" y="{y - BOX_HEIGHT / 2:.1f}" width="{size:.1f}" '
            f'height="{BOX_HEIGHT}" rx="6"/><text x="{x:.1f}" y="{y + 4:.1f}">{label(node)}</text></g>'
        )
    return "\n".join([*parts, "</svg>"])


def figure(role: str) -> str:
    """The drawing as a fence of HTML."""
    return f'```{{raw}} html\n<figure class="constraints">{drawing(role)}</figure>\n```'


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fences of a page."""
    source[0] = FENCE.sub(lambda match: figure(match[1]), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
