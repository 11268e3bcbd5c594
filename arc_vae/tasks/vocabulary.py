"""Every step that a program may hold, and which of them a grid of so many objects admits.

A code of objects carries out each of them itself. Operations that work on cells (scale, connect, symmetrize) are left
out: they make shapes that no corpus grid has, and few of them decode as they should.
"""

from arc_vae.common.grids import NUM_COLORS
from arc_vae.operations.catalogue import AXES
from arc_vae.operations.rules import PLACES
from arc_vae.tasks.program import Step

LARGEST = "largest"
ONE = (LARGEST, "smallest", *PLACES)
STRAIGHT = ((1, 0), (-1, 0), (0, 1), (0, -1))
SLANTED = ((1, 1), (1, -1), (-1, 1), (-1, -1))
COLORS = range(1, NUM_COLORS)


def _times(ways: tuple[tuple[int, int], ...], *factors: int) -> list[tuple[int, int]]:
    return [(dx * factor, dy * factor) for factor in factors for dx, dy in ways]


def _every_step() -> dict[str, list[Step]]:
    shifts = _times(STRAIGHT, 1, 2, 3) + _times(SLANTED, 1, 2)
    copies, rows = _times(STRAIGHT, 3, 4, 5), _times(STRAIGHT, 2, 3, 4)
    swaps = [((one, two), (two, one)) for one in COLORS for two in COLORS if one < two]
    two = (LARGEST, "smallest")
    return {
        "translate": [Step.of("translate", dx=dx, dy=dy, of=of) for of in ("grid", *ONE) for dx, dy in shifts],
        "rotate_90": [Step.of("rotate_90", times=times, of=of) for of in ("grid", "each", *ONE) for times in (1, 2, 3)],
        "reflect": [Step.of("reflect", axis=axis, of=of) for of in ("grid", "each", *ONE) for axis in AXES],
        "recolour": [
            *(Step.of("recolour", colors=color, of=of) for of in ("each", *ONE) for color in COLORS),
            *(Step.of("recolour", colors=swap, of="grid") for swap in swaps),
        ],
        "duplicate": [Step.of("duplicate", dx=dx, dy=dy, of=of) for of in two for dx, dy in copies],
        "repeat": [Step.of("repeat", times=2, dx=dx, dy=dy, of=of) for of in two for dx, dy in rows],
        "tile": [Step.of("tile", rows=2, columns=2, dx=by, dy=by, of=of) for of in two for by in (3, 4, 5)],
        "remove": [Step.of("remove", of=of) for of in ONE],
        "group": [Step.of("group", of="each")],
    }


BY_NAME = _every_step()
COPIES = ("duplicate", "repeat", "tile")
ALL = tuple(step for steps in BY_NAME.values() for step in steps)
# Objects that a step adds, and the fewest that it needs to mean something.
ADDED = {"duplicate": 1, "repeat": 2, "tile": 3, "remove": -1}
NEEDED = {"remove": 2, "group": 2}


def possible_names(num_objects: int, room: int) -> list[str]:
    """The operations that grids of so many objects admit, where a code holds `room` of them."""
    return [name for name in BY_NAME if num_objects + ADDED.get(name, 0) <= room and num_objects >= NEEDED.get(name, 1)]


def possible_steps(name: str, num_objects: int) -> list[Step]:
    """The steps of an operation that differ on grids of so many objects: a single object is called the largest."""
    if num_objects > 1:
        return BY_NAME[name]
    return [step for step in BY_NAME[name] if step["of"] in (None, "grid", LARGEST)]
