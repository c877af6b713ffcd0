"""Entries that do the same, as one: exactly where they are few, else by the shape of what is done.

Two entries do the same if the same is done and paid after every report and the next entries do the same again
(coarsest partition, refined from outputs on). Where even these are many, entries of one *shape* stand together: after
every report the same actions never, sometimes or surely happen. Amounts are then ranges.

Source: refinement of partitions as in Moore (1956); lotteries over next entries as in Larsen and Skou (1991).
"""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.show.explain.policies.tables import Block, Tables, kinds

DIGITS = 7
MOST_EXACT = 24
"""Groups of entries that do exactly the same up to which these are shown."""
MOST_REFINED = 60_000
"""Entries up to which it is asked which do exactly the same."""
MIXED = 1e-6
"""Chance above which, and below one less which, an action is drawn."""


def merged(tables: Tables) -> tuple[list[IntArray], bool]:
    """Group of each entry, by period, and whether all of a group do exactly the same.

    Groups are numbered in the order in which they are met; the first entry is a group of its own.
    """
    if tables.entries <= MOST_REFINED:
        groups = _refined(tables)
        if len(np.unique(np.concatenate(groups))) <= MOST_EXACT:
            return groups, True
    keys = [_shape(block) for block in tables.blocks]
    return _numbered(tables, keys), False


def _whole(numbers: FloatArray) -> IntArray:
    """Numbers as whole multiples; simple fractions never lie where the rounding jumps."""
    return np.asarray(np.floor(numbers * 10**DIGITS + 0.6371), dtype=np.int64)


def _shape(block: Block) -> Array:
    """Which actions happen never, sometimes or surely, by profile that may be reported; ``(N, width)``."""
    kind = (block.allocation > MIXED).astype(np.int64) + (block.allocation >= 1 - MIXED)
    kind = np.where(block.possible[:, :, None], kind, -1)
    return kind.reshape(len(kind), -1)


def _outputs(tables: Tables, block: Block) -> Array:
    """Actions and payments as whole numbers; ``(N, width)``."""
    scale = max((float(np.abs(stage.values).max(initial=0.0)) for stage in tables.stages), default=0.0) or 1.0
    paid = np.moveaxis(block.payment, 0, 2)
    done = np.concatenate([_whole(block.allocation), _whole(paid / scale)], axis=2)
    done = np.where(block.possible[:, :, None], done, -1)
    return done.reshape(len(done), -1)


def _numbered(tables: Tables, keys: list[Array]) -> list[IntArray]:
    """Groups of entries of one kind of period with equal keys; the very first entry alone."""
    known: dict[tuple[int, ...], int] = {(-1,): 0}
    groups = []
    for t, (kind, rows) in enumerate(zip(kinds(tables), keys, strict=True)):
        alone = int(t == 0)
        unique, first, place = np.unique(rows[alone:], axis=0, return_index=True, return_inverse=True)
        number = np.zeros(len(unique), dtype=np.int64)
        for g in np.argsort(first).tolist():
            number[g] = known.setdefault((kind, *unique[g].tolist()), len(known))
        groups.append(np.concatenate([np.zeros(alone, dtype=np.int64), number[place.ravel()]]))
    return groups


def _refined(tables: Tables) -> list[IntArray]:
    """The coarsest partition in which entries of one group do the same, now and later."""
    outputs = [_outputs(tables, block) for block in tables.blocks]
    if not tables.endless:
        return _backwards(tables, outputs)
    (block,), (output,) = tables.blocks, outputs
    rng, count, group = np.random.default_rng(3), 0, np.unique(output, axis=0, return_inverse=True)[1].ravel()
    while len(np.unique(group)) > count:
        count = len(np.unique(group))
        if count > MOST_EXACT:
            break
        follow = _ahead(block, group, rng)
        group = np.unique(np.column_stack([group, follow]), axis=0, return_inverse=True)[1].ravel()
    return _in_order(tables, [group])


def _backwards(tables: Tables, outputs: list[Array]) -> list[IntArray]:
    """From the last period on; periods of one kind share their numbers."""
    rng, known = np.random.default_rng(3), dict[tuple[int, ...], int]()
    weights = rng.random((1, 3))  # of every group, as they are found
    groups: list[IntArray] = []
    for kind, block, rows in reversed(list(zip(kinds(tables), tables.blocks, outputs, strict=True))):
        if block.after is not None:
            if groups[0].max() >= len(weights):
                weights = np.concatenate([weights, rng.random((int(groups[0].max()) + 1 - len(weights), 3))])
            rows = np.column_stack([rows, _projected(block, weights[groups[0]])])
        unique, place = np.unique(rows, axis=0, return_inverse=True)
        number = np.array([known.setdefault((kind, *map(int, row)), len(known)) for row in unique], dtype=np.int64)
        groups.insert(0, number[place.ravel()])
        if len(known) > MOST_REFINED:
            break
    if len(groups) < len(tables.blocks):  # far too many: all different
        return [np.arange(len(block.belief)) + 10 * MOST_EXACT * t for t, block in enumerate(tables.blocks)]
    return _in_order(tables, groups)


def _ahead(block: Block, group: IntArray, rng: np.random.Generator) -> IntArray:
    return _projected(block, rng.random((int(group.max()) + 1, 3))[group])


def _projected(block: Block, weights: FloatArray) -> IntArray:
    """Distribution over groups of next entries, as sums of fixed random weights; ``(N, width)``."""
    assert block.after is not None
    sums = np.asarray(block.after @ weights).reshape(*block.possible.shape, -1)
    whole = np.where(block.possible[:, :, None], _whole(sums / 10), -1)
    return np.asarray(whole.reshape(len(whole), -1))


def _in_order(tables: Tables, groups: list[IntArray]) -> list[IntArray]:
    """Numbers in the order in which groups are met from the first entry on."""
    seen: dict[int, int] = {}
    if tables.endless:
        (block,), (group,) = tables.blocks, groups
        assert block.after is not None
        queue, at, profiles = [0], 0, block.possible.shape[1]
        reached = {0}
        while at < len(queue):
            entry = queue[at]
            seen.setdefault(int(group[entry]), len(seen))
            ends = block.after[entry * profiles : (entry + 1) * profiles].tocoo()
            for end in ends.coords[1][np.argsort(ends.coords[0], kind="stable")].tolist():
                if end not in reached:
                    reached.add(end)
                    queue.append(end)
            at += 1
            if len(queue) > MOST_REFINED:
                break
    for part in groups:
        for label in dict.fromkeys(part.tolist()):
            seen.setdefault(label, len(seen))
    return [np.array([seen[label] for label in part.tolist()], dtype=np.int64) for part in groups]
