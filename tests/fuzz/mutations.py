"""Changes of files, small and nasty, each drawn from a generator: text, bytes, JSON trees and numpy archives."""

import io
import json
import re
import zipfile

import numpy as np

NUMBERS = [
    *[
        "0",
        "-1",
        "1",
        "2",
        "3",
        "1e-60",
        "1e60",
        "-1e60",
        "1e61",
        "1e400",
        "1e-400",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1_0",
    ],
    *['"1/3"', '"1/0"', '"-1/3"', '"1/3000000001"', '"infinite"', '"nan"', '"1e308"', '"9/10"', "0.999999999999"],
    *["1.0000000000001", "99999999999999999999", "1" * 70, '"' + "9" * 59 + '"', "true", "[]", "{}", '""', "[[1]]"],
    *["2026-01-01", "4", "7", "12", "1000", "1000000", "999999999"],
]
STRINGS = [
    "\\u001b[31mred",
    "\\u001b]0;title\\u0007",
    "\\u009b31m",
    "\\u202egnp.exe",
    "\\u2066x\\u2069",
    "\\u0000",
    "a\\nstatus optimal",
    "\\r",
    "\\u2028",
    "\\U000e0041",
    "<script>alert(1)</script>",
    "$\\\\frac{",
    "{{ 7*7 }}",
    "%s%n",
    "../../etc/passwd",
    "=cmd()",
    "x" * 5000,
    "",
    "\\ud83d",
    "é" * 40,
]
BYTES = [
    b"\x00",
    b"\xff",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"\n",
    b"\r\n",
    b'"',
    b"[[",
    b"]]",
    b"=",
    b"#",
    b"'''",
    b",",
    b";",
]
NUMBER = re.compile(r"-?\b\d[\d_.]*(?:[eE][+-]?\d+)?\b|\"-?\d+/\d+\"")
STRING = re.compile(r'"[^"\n]*"')
KEY = re.compile(r"^\s*[A-Za-z_.]+(?=\s*=)", re.MULTILINE)


def _replaced(text, pattern, new, rng):
    found = list(pattern.finditer(text))
    if not found:
        return text + new
    at = rng.choice(found)
    return text[: at.start()] + new + text[at.end() :]


def _lines(text, rng):
    lines = text.split("\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(3)
    if what == 0:
        del lines[i]
    elif what == 1:
        lines.insert(j, lines[i])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def text(content, rng):
    """A few changes of a text of numbers, strings and keys."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        what = rng.randrange(8)
        if what <= 2:
            content = _replaced(content, NUMBER, rng.choice(NUMBERS), rng)
        elif what == 3:
            content = _replaced(content, STRING, f'"{rng.choice(STRINGS)}"', rng)
        elif what == 4:
            content = _replaced(content, KEY, rng.choice([f'"{rng.choice(STRINGS)}"', "horizon", "kind"]), rng)
        elif what == 5:
            content = _lines(content, rng)
        elif what == 6:
            content = f'"{rng.choice(STRINGS)}" = {rng.choice(NUMBERS)}\n' + content
        else:
            return some_bytes(content.encode(), rng)
    return content.encode("utf-8", "surrogatepass")


def some_bytes(content, rng):
    """Bytes flipped, cut, put in."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(content) + 1)
        what = rng.randrange(4)
        if what == 0 and at < len(content):
            content[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            content[at:at] = rng.choice(BYTES)
        elif what == 2:
            del content[at : at + rng.randrange(1, 20)]
        elif rng.random() < 0.3:
            del content[at:]
    return bytes(content)


def tree(content, rng, values):
    """A JSON document with one node replaced, removed or doubled."""
    document = json.loads(content)
    for _ in range(rng.choice([1, 1, 2])):
        places = list(_places(document))
        if not places:
            return document
        parent, key = rng.choice(places)
        what = rng.randrange(4)
        if what == 0 and isinstance(parent, dict):
            parent.pop(key)
        elif what == 1 and isinstance(parent, list):
            parent.insert(key, parent[key])
        elif what == 2 and isinstance(parent[key], str) and re.fullmatch(r"-?\d+", parent[key]):
            parent[key] = str(int(parent[key]) + rng.choice([-1, 1]))
        else:
            parent[key] = rng.choice(values)
    return document


def _places(node):
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield node, key
        yield from _places(child)


FLOATS = [
    np.nan,
    np.inf,
    -np.inf,
    1e308,
    -1.7e308,
    1e16,
    -1e16,
    1e11,
    1e-300,
    -1e-7,
    1e-9,
    0.01,
    -0.01,
    0.5,
    -0.5,
    1,
    -1,
]
DTYPES = [np.float32, np.float16, np.int64, np.complex128, ">f8", np.uint8, np.bool_, "U3"]


def lent(payment, rng):
    """Lend much in the first entries and take it back in the others; and charge a little more somewhere."""
    flat, cut = payment.copy().ravel(), rng.randrange(1, min(payment.size, 5))
    much = rng.choice([1e7, 1e11, 1e16, 1e300])
    flat[:cut] += much
    flat[cut:] -= much
    for _ in range(rng.randrange(3)):
        flat[rng.randrange(flat.size)] += rng.choice([0.01, -0.01, 1.0, -1.0, 2.0, 100.0])
    return flat.reshape(payment.shape)


def archive(content, rng):
    """A numpy archive with changed columns, header or bytes."""
    if rng.random() < 0.2:
        return some_bytes(content, rng)
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        columns = dict(loaded)
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(sorted(columns))
        column, what = columns[name], rng.randrange(8)
        if name == "header":
            header = tree(column.tobytes(), rng, [None, -1, 0, 1e400, [], {}, "x", "dic", "epir", "\x1b[31m", "\u202e"])
            columns[name] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        elif name == "payment" and what <= 1 and column.size > 1 and column.dtype.kind == "f":
            columns[name] = lent(column, rng)
        elif what <= 3 and column.size and column.dtype.kind == "f":
            flat = column.copy().ravel()
            at = rng.randrange(flat.size)
            nudge = rng.choice(FLOATS)
            flat[at] = nudge if what < 2 else flat[at] + nudge
            if what == 3:  # lend, and take back elsewhere
                flat[rng.randrange(flat.size)] -= nudge
            columns[name] = flat.reshape(column.shape)
        elif what == 4:
            with np.errstate(all="ignore"):
                columns[name] = column.astype(rng.choice(DTYPES))
        elif what == 5:
            columns[name] = column[: rng.randrange(column.shape[0] + 1)] if column.ndim else column
        elif what == 6:
            columns[name] = np.concatenate([column, column]) if column.ndim else column
        else:
            columns.pop(name)
    file = io.BytesIO()
    np.savez_compressed(file, **columns)
    if rng.random() < 0.05:
        with zipfile.ZipFile(file, "a") as members:
            members.writestr(rng.choice(["header.npy", "../x.npy", "\x1b.npy"]), b"x")
    return file.getvalue()
