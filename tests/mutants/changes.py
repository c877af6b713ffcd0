"""The mutants of a module: one comparison, sign, constant or choice changed at a time.

A comparison becomes its neighbour (``<`` to ``<=`` and to ``>=``), a sign or an operation its opposite, a constant is
moved by one (a tolerance: times a million), ``and`` becomes ``or``, ``min`` becomes ``max``, ``any`` becomes ``all``, a
condition its negation, a default its other truth value. Text, annotations and what only raises or words an error are
left alone, and so are two kinds of numbers that no verdict depends on:

- the 1 of ``reshape(..., -1)``: numpy takes any negative length as the one that is left (the sign is changed);
- whole numbers of a limit of effort, ``MAX_... = ...`` at module level: one more or less moves where we stop, not what
  is found before (the comparison with the limit is changed, and so are shares like 0.1).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import CodeType
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "maximum": "minimum", "minimum": "maximum"}
NAMES |= {"argmax": "argmin", "argmin": "argmax", "floor": "ceil", "ceil": "floor"}
SKIPPED = (ast.Raise, ast.JoinedStr, ast.Assert, ast.Import, ast.ImportFrom)


class Function(NamedTuple):
    """An outermost function or method: how its code object is found again."""

    name: str
    first_line: int


class Key(NamedTuple):
    """What names a mutant in ``equivalent.toml``: it outlives changes elsewhere in the file."""

    module: str
    function: str
    source: str
    change: str
    nth: int


@dataclass(frozen=True)
class Place:
    """Where the walk is: the function, and the lines of the statement (of a compound one, its head)."""

    function: Function | None = None
    names: tuple[str, ...] = ()
    first: int = 0
    last: int = 0


@dataclass(frozen=True)
class Mutant:
    """One change: where, which of the changes there, and in words."""

    module: str
    line: int
    column: int
    which: int
    place: Place
    key: Key
    compiled: Callable[[], CodeType]

    @property
    def name(self) -> str:
        """How ``--only`` names it."""
        return f"{self.module}:{self.line}:{self.column}:{self.which}"


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The changes of one node: words, and what stands in its place."""

    def changed(words: str, **fields: object) -> tuple[str, ast.AST]:
        other = copy.copy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        return words, other

    match node:
        case ast.Compare(ops=ops):
            for k, op in enumerate(ops):
                for new in COMPARISONS[type(op)]:
                    words = f"{type(op).__name__} to {new.__name__}"
                    yield changed(words, ops=[*ops[:k], new(), *ops[k + 1 :]])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATIONS:
            yield changed(f"{type(op).__name__} to {OPERATIONS[type(op)].__name__}", op=OPERATIONS[type(op)]())
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield "sign or negation dropped", operand
        case ast.BoolOp(op=ast.And()):
            yield changed("and to or", op=ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield changed("or to and", op=ast.And())
        case ast.IfExp(test=test) | ast.If(test=test) | ast.While(test=test) if not _negated_anyhow(test):
            yield changed("condition negated", test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield changed(f"{value} to {not value}", value=not value)
        case ast.Constant(value=int(value)):
            yield changed(f"{value} to {value + 1}", value=value + 1)
            if value > 0:
                yield changed(f"{value} to {value - 1}", value=value - 1)
        case ast.Constant(value=float(value)):
            yield changed(f"{value} times a million", value=value * 1e6 if value else 1e-6)
        case ast.Name(id=name) if name in NAMES and isinstance(node.ctx, ast.Load):
            yield changed(f"{name} to {NAMES[name]}", id=NAMES[name])
        case ast.Attribute(attr=name) if name in NAMES:
            yield changed(f"{name} to {NAMES[name]}", attr=NAMES[name])


def _negated_anyhow(test: ast.expr) -> bool:
    """Whether the change of the condition's own node is its negation."""
    single = isinstance(test, ast.Compare) and len(test.ops) == 1
    return single or (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))


def mutants_of(module: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a module, given its path and text."""
    lines, tree = text.splitlines(), ast.parse(text)
    at: dict[tuple[int, int], int] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for parent, field, position, node, place in _places(tree, Place()):
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        for words, other in changes(node):
            which = at[line, column] = at.get((line, column), -1) + 1
            function, source = ".".join(place.names) or "module", lines[line - 1].strip()
            nth = seen[function, source, words] = seen.get((function, source, words), -1) + 1
            key = Key(module, function, source, words, nth)

            code = partial(_compiled, tree, module, partial(_put, parent, field, position), other, node)
            yield Mutant(module, line, column, which, place, key, code)


def _compiled(tree: ast.Module, module: str, put: Callable[[ast.AST], None], other: ast.AST, node: ast.AST) -> CodeType:
    put(other)
    try:
        return compile(ast.fix_missing_locations(tree), module, "exec", dont_inherit=True)
    finally:
        put(node)


def _places(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, Place]]:
    """Nodes that may be changed: parent, its field, position in a list, node, and where."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        inside = _inside(node, field, place)
        for k, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, SKIPPED) or _says_nothing(child, place):
                continue
            there = replace(inside, first=child.lineno, last=_last(child)) if isinstance(child, ast.stmt) else inside
            yield node, field, k, child, there
            if not _length_that_is_left(node, child):
                yield from _places(child, there)


def _inside(node: ast.AST, field: str, place: Place) -> Place:
    """Where the children of a field are: the body of a function is in it, its defaults are not."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and field == "body":
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        outer = place.function or Function(node.name, first)
        return replace(place, function=outer, names=(*place.names, node.name))
    if isinstance(node, ast.ClassDef) and field == "body":
        return replace(place, names=(*place.names, node.name))
    return place


def _says_nothing(node: ast.AST, place: Place) -> bool:
    """Docstrings, what only a type checker reads, ``strict=True``, which asserts, and limits of effort."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and place.function is None:
        return True  # the name of a union of types
    if isinstance(node, ast.Assign) and place == Place():
        return _limit_of_effort(node)
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _limit_of_effort(node: ast.Assign) -> bool:
    """``MAX_... =`` whole numbers."""
    name, numbers = node.targets[0], [part for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
    limit = isinstance(name, ast.Name) and name.id.startswith("MAX_")
    return limit and all(isinstance(number.value, int) for number in numbers)


def _length_that_is_left(parent: ast.AST, node: ast.AST) -> bool:
    """The ``-1`` of a reshape."""
    reshaped = isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr == "reshape"
    return reshaped and isinstance(node, ast.UnaryOp) and ast.unparse(node) == "-1"


def _last(node: ast.stmt) -> int:
    """Last line of a statement, or of the head of a compound one."""
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if not body:
        return node.end_lineno or node.lineno
    first = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
    return max(node.lineno, first - 1)


def _put(parent: ast.AST, field: str, position: int | None, node: ast.AST) -> None:
    if position is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[position] = node


def read(root: Path, module: str) -> Iterator[Mutant]:
    """Every mutant of a file below the root."""
    return mutants_of(module, (root / module).read_text())
