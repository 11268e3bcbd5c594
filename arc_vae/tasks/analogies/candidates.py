"""Every step that a program may hold, the plainer ones first: of the whole grid, then of its objects."""

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from arc_vae.common.grids import NUM_COLORS
from arc_vae.operations.catalogue import AXES
from arc_vae.operations.cells import Connect
from arc_vae.operations.numbers import Remove
from arc_vae.operations.operation import Operation
from arc_vae.operations.rules import Rule
from arc_vae.operations.scene import Scene
from arc_vae.operations.steps import SceneStep
from arc_vae.tasks.analogies.within import (
    Candidate,
    Crop,
    OfCells,
    OfObjects,
    ScaleWithin,
    SymmetrizeWithin,
    TileWithin,
    TurnWithin,
)
from arc_vae.tasks.program import HELD, MIRRORS, TURNS, Step, in_words, objects_in_words, operation_of
from arc_vae.tasks.vocabulary import BY_NAME, ONE

_MIRRORED = {AXES[axis]: f"mirrored {way}" for axis, way in MIRRORS.items()}
IMAGES = {**{times: f"turned {way}" for times, way in TURNS.items()}, **_MIRRORED}
TILES = ((1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (3, 3))
FACTORS = (2, 3, 4)
RULES = (*ONE, *(f"every color {color}" for color in range(1, NUM_COLORS)))
# Of the vocabulary, in this order. Of recolourings by a table, the search finds the table itself.
OF_OBJECTS = ("translate", "rotate_90", "reflect", "recolour", "duplicate", "repeat", "tile", "group")


@dataclass(frozen=True)
class Keep(Remove):
    """Take away all objects but the chosen ones."""

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        return super().change(scene, scene.present & ~chosen)


@cache
def candidates() -> tuple[Candidate, ...]:
    """All of them."""
    return (*_of_the_grid(), *_of_objects())


def _of_the_grid() -> list[Candidate]:
    return [
        *(TurnWithin(f"the grid {words}", number) for number, words in IMAGES.items()),
        Crop("cropped to the box around all objects"),
        *(ScaleWithin(f"each cell made {factor} × {factor}", factor) for factor in FACTORS),
        *(TileWithin(f"the grid {rows} × {columns} times", rows, columns) for rows, columns in TILES),
        *(
            TileWithin(f"the grid {rows} × {columns} times, every other one mirrored", rows, columns, True)
            for rows, columns in TILES
        ),
        *(
            SymmetrizeWithin(f"the background filled with the grid {words}", number)
            for number, words in _MIRRORED.items()
        ),
    ]


def _of_objects() -> list[Candidate]:
    kept = [OfObjects(f"all but {_objects(of)} taken away", Keep(Rule(of), "stop", "paint")) for of in RULES]
    removed = [OfObjects(f"{_objects(of)} taken away", Remove(Rule(of), "stop", "paint")) for of in RULES]
    steps = [step for name in OF_OBJECTS for step in BY_NAME[name] if step["of"] != "grid" or name == "translate"]
    return [
        *kept,
        *removed,
        *(OfObjects(in_words([step]), _painting(step)) for step in steps),
        OfCells("a line drawn from the largest object to the smallest", Connect(Rule("largest"), Rule("smallest"))),
    ]


def _objects(of: str) -> str:
    return f"what has colour {of[-1]}" if of.startswith("every") else objects_in_words(of)


def _painting(step: Step) -> SceneStep:
    """The step; objects may come to lie over each other, since ARC's boxes often do, but not cross the border."""
    operation: Operation = operation_of(step)
    (part,) = operation.parts
    assert isinstance(part.step, SceneStep)  # the vocabulary has no other
    return replace(part.step, border="refuse", overlap="paint") if step.name in HELD else part.step


def table_in_words(table: Tensor) -> str:
    """A table of colours (10,) as part of a sentence."""
    changes = [f"{old}→{int(new)}" for old, new in enumerate(table.tolist()) if old != new]
    return "colours changed: " + ", ".join(changes)


def common_table(shown: Tensor, wanted: Tensor) -> Tensor | None:
    """The table (10,) that takes the colours of grids (N, 16, 16) to those of others, what is not shown as it is; None
    where there is none, or where it would colour the background.
    """
    table = torch.arange(NUM_COLORS, device=shown.device)
    for color in shown.unique().tolist():
        becomes = wanted[shown == color].unique()
        if len(becomes) > 1:
            return None
        table[color] = becomes[0]
    return table if table[0] == 0 else None


def could_be_recoloured(shown: Tensor, wanted: Tensor) -> Tensor:
    """Which of grids (N, 16, 16) a table of colours takes each to its other, (N,); see `common_table`."""
    good = torch.ones(len(shown), dtype=torch.bool, device=shown.device)
    for color in range(NUM_COLORS):
        here = shown == color
        highest = wanted.masked_fill(~here, 0).flatten(1).amax(dim=1)
        lowest = wanted.masked_fill(~here, NUM_COLORS).flatten(1).amin(dim=1)
        good &= (lowest >= highest) if color else highest == 0
    return good
