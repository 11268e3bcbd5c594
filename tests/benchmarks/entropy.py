"""The atomic generator's own entropy, in nats per grid: no model's negative ELBO can be lower on average.

A scene's probability is that of its number of objects, and of each object's colour, shape and anchor; a grid's that of
all orders in which its objects may have been drawn. A shape's mixes the four kinds': catalogues are counted,
a blob's growth is summed over every order in which its cells can have come. Two small terms are left out, both of
which lower the result: anchors that are taken already, and grids that different shapes side by side draw alike.

    python tests/benchmarks/entropy.py --scenes 5000
"""

import argparse
import math
import statistics
from collections import defaultdict

import numpy as np

from arc_vae.common.grids import NUM_COLORS, SIZE
from arc_vae.corpus.atomic.fixed_shapes import LINES, PATTERNS, RECTANGLES
from arc_vae.corpus.atomic.scenes import KINDS, MAX_OBJECTS, sample_scenes
from arc_vae.corpus.atomic.shapes import MAX_CELLS, from_row_masks
from arc_vae.corpus.stable_random import StableRandom

Cell = tuple[int, int]
KIND_SHARE = {"blob": 0.4, "rectangle": 0.2, "line": 0.2, "pattern": 0.2}


def catalogue_probabilities() -> dict[bytes, float]:
    """Probability of each fixed shape, by its row masks, kinds weighed."""
    found: dict[bytes, float] = defaultdict(float)
    for kind, catalogue in (("rectangle", RECTANGLES), ("line", LINES), ("pattern", PATTERNS)):
        weights = np.bincount(catalogue._tickets) / len(catalogue._tickets)
        families = np.repeat(np.arange(len(weights)), catalogue._sizes)
        for rows, family in zip(catalogue.shapes.rows, families, strict=True):
            found[rows.tobytes()] += KIND_SHARE[kind] * weights[family] / catalogue._sizes[family]
    return found


def growth_probability(cells: list[Cell]) -> float:
    """Probability that a blob of that many cells grows to this shape: over all orders, one added cell at a time."""
    index = {cell: number for number, cell in enumerate(cells)}
    chances = {1 << number: 1.0 for number in range(len(cells))}
    for _ in range(len(cells) - 1):
        grown: dict[int, float] = defaultdict(float)
        for taken, chance in chances.items():
            touching: dict[Cell, int] = defaultdict(int)
            for y, x in (cell for cell, number in index.items() if taken >> number & 1):
                for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                    if not (near in index and taken >> index[near] & 1):
                        touching[near] += 1
            weights = {cell: 3 if count > 1 else 1 for cell, count in touching.items()}
            total = sum(weights.values())
            for cell, weight in weights.items():
                if cell in index:
                    grown[taken | 1 << index[cell]] += chance * weight / total
        chances = grown
    return sum(chances.values())


def shape_nats(rows: np.ndarray, fixed: dict[bytes, float]) -> float:
    """-log probability of a shape pushed to the top left, row masks (16,)."""
    cells = [(int(y), int(x)) for y, x in zip(*np.nonzero(from_row_masks(rows)), strict=True)]
    chance = fixed.get(rows.tobytes(), 0.0)
    if connected(cells):
        chance += KIND_SHARE["blob"] * growth_probability(cells) / (MAX_CELLS - 1)
    return -math.log(chance)


def connected(cells: list[Cell]) -> bool:
    """Whether the cells hang together by their sides."""
    found, waiting = {cells[0]}, [cells[0]]
    while waiting:
        y, x = waiting.pop()
        for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if near in cells and near not in found:
                found.add(near)
                waiting.append(near)
    return len(found) == len(cells)


def pushed(rows: np.ndarray) -> np.ndarray:
    """Row masks (16,) of the same shape at the top left."""
    cells = np.argwhere(from_row_masks(rows))
    cells -= cells.min(axis=0)
    moved = np.zeros(SIZE, dtype=np.uint16)
    for y, x in cells:
        moved[y] |= np.uint16(1 << x)
    return moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=5000)
    arguments = parser.parse_args()
    fixed = catalogue_probabilities()
    scenes = sample_scenes(arguments.scenes, StableRandom("entropy", 0))
    nats, of_kind = [], defaultdict(list)
    for kinds, masks in zip(scenes.kinds, scenes.masks, strict=True):
        placed = [(KINDS[kind], pushed(mask)) for kind, mask in zip(kinds, masks, strict=True) if mask.any()]
        total = math.log(MAX_OBJECTS) - math.log(math.factorial(len(placed)))
        for kind, rows in placed:
            shape = from_row_masks(rows)
            anchors = (SIZE + 1 - shape.any(axis=1).sum()) * (SIZE + 1 - shape.any(axis=0).sum())
            of_kind[kind].append(shape_nats(rows, fixed))
            total += math.log(NUM_COLORS - 1) + of_kind[kind][-1] + math.log(anchors)
        nats.append(total)
    error = statistics.stdev(nats) / math.sqrt(len(nats))
    print(f"a grid: {statistics.mean(nats):.1f} ± {error:.1f} nats ({arguments.scenes} scenes)")
    for kind in KINDS:
        print(f"the shape of a {kind}: {statistics.mean(of_kind[kind]):.1f} nats")


if __name__ == "__main__":
    main()
