"""Programs that say the same, written the same: neighbours merged, inverses cancelled, in a fixed order."""

from collections.abc import Sequence

import torch

from arc_vae.operations.catalogue import AXES
from arc_vae.operations.scene import turned_again
from arc_vae.tasks.program import Step

# Rules that mean the same objects wherever these stand and whatever their colour.
STABLE = ("grid", "each", "largest", "smallest")
TURNS = ("rotate_90", "reflect")
MOVES = ("translate", *TURNS)
ORDER = (*MOVES, "recolour")
_AXIS = {number: axis for axis, number in AXES.items()}


def normal_form(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The program, as short as merging and cancelling neighbours makes it; it does the same wherever both are defined.

    Each round merges or swaps two neighbours: merging shortens the program, swapping sorts it, so that it ends.
    """
    now = list(steps)
    while (changed := _one_round(now)) is not None:
        now = changed
    return tuple(now)


def _one_round(steps: list[Step]) -> list[Step] | None:
    for index, (first, second) in enumerate(zip(steps, steps[1:], strict=False)):
        replaced = merged(first, second)
        if replaced is None and commute(first, second) and _place(second) < _place(first):
            replaced = [second, first]
        if replaced is not None:
            return [*steps[:index], *replaced, *steps[index + 2 :]]
    return None


def merged(first: Step, second: Step) -> list[Step] | None:
    """What two neighbours come to: one step or none; None where they stay two."""
    names = (first.name, second.name)
    if names == ("recolour", "recolour") and isinstance(second["colors"], int) and second["of"] in STABLE:
        same = second["of"] == first["of"] and isinstance(first["colors"], int)
        if second["of"] == "each" or same:
            return [second]
    if first["of"] != second["of"] or first["of"] not in STABLE:
        return None
    if names == ("translate", "translate"):
        dx, dy = first["dx"] + second["dx"], first["dy"] + second["dy"]
        return [Step.of("translate", dx=dx, dy=dy, of=first["of"])] if dx or dy else []
    if first.name in TURNS and second.name in TURNS:
        return turn_step(int(turned_again(torch.tensor(_symmetry(first)), _symmetry(second))), first["of"])
    if names == ("recolour", "recolour") and first == second:
        return []  # a swap twice
    if second.name == "remove" and first.name in ORDER:
        return [second]
    return None


def commute(first: Step, second: Step) -> bool:
    """Whether two neighbours may stand in either order."""
    if first["of"] not in STABLE or second["of"] not in STABLE:
        return False
    names = {first.name, second.name}
    if "recolour" in names:
        return bool(names & set(MOVES)) and len(names) == 2
    single = not {first["of"], second["of"]} & {"grid", "each"}
    return names == {"translate"} and single


def turn_step(symmetry: int, of: str) -> list[Step]:
    """The step that turns by a symmetry of the square, a row of `symmetry_table`; none for the first, which is none."""
    if symmetry == 0:
        return []
    if symmetry < 4:
        return [Step.of("rotate_90", times=symmetry, of=of)]
    return [Step.of("reflect", axis=_AXIS[symmetry], of=of)]


def _symmetry(step: Step) -> int:
    return step["times"] % 4 if step.name == "rotate_90" else AXES[step["axis"]]


def _place(step: Step) -> tuple:
    """Moves before colours; of moves, those of the largest object before those of the smallest."""
    return (step.name == "recolour", STABLE.index(step["of"]))
