"""Steps on a grid within its own height × width: ARC's grids are smaller than 16×16 and stand at the top left.

A square turned whole would take its grid to another corner; these bring it back, each by its own size. Turning and
cropping are said of scenes too, and so of codes; both ways mean the same. The others need cells.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, SIZE
from arc_vae.models.object_slots.components import crop_to_corner, moved_to_corner, pick
from arc_vae.operations.cells import GridStep, enlarged
from arc_vae.operations.moves import Turn
from arc_vae.operations.rules import GRID, Rule
from arc_vae.operations.scene import NOT_THERE, Scene, lies_down, symmetries
from arc_vae.operations.steps import SceneStep


class Changed(NamedTuple):
    """Grids uint8 (N, 16, 16), their rows and columns (N, 2), and which of them admit the step (N,)."""

    grids: Tensor
    sizes: Tensor
    fine: Tensor


@dataclass(frozen=True)
class Candidate:
    """One step of a program, on grids with their sizes (N, 2), on scenes, or on both.

    Args:
        words: what it does, as part of a sentence.
    """

    words: str

    by_cells, by_scene = False, False

    def on_cells(self, grids: Tensor, sizes: Tensor) -> Changed:
        """Grids (N, 16, 16), changed."""
        raise NotImplementedError

    def on_scene(self, scene: Scene, sizes: Tensor) -> tuple[Scene, Tensor]:
        """Scenes changed, or refused, and their sizes."""
        raise NotImplementedError


@dataclass(frozen=True)
class OfObjects(Candidate):
    """A step on scenes; the grid keeps its size."""

    step: SceneStep

    by_scene = True

    def on_scene(self, scene: Scene, sizes: Tensor) -> tuple[Scene, Tensor]:
        return self.step(scene), sizes


@dataclass(frozen=True)
class OfCells(Candidate):
    """A step on cells; the grid keeps its size."""

    step: GridStep

    by_cells = True

    def on_cells(self, grids: Tensor, sizes: Tensor) -> Changed:
        changed, reason = self.step(grids)
        return Changed(changed, sizes, reason == 0)


@dataclass(frozen=True)
class TurnWithin(Candidate):
    """One of the square's symmetries, a row of `symmetry_table`, of the grid's own rectangle."""

    symmetry: int

    by_cells, by_scene = True, True

    def on_cells(self, grids: Tensor, sizes: Tensor) -> Changed:
        number, corner, extent = self._rectangle(sizes)
        turned = symmetries(grids.device).transform(grids, number)
        # Beyond the rectangle all is background: what goes around the border is background too.
        return Changed(moved_to_corner(turned, corner), extent, torch.ones_like(number, dtype=torch.bool))

    def on_scene(self, scene: Scene, sizes: Tensor) -> tuple[Scene, Tensor]:
        _, corner, extent = self._rectangle(sizes)
        turned = Turn(Rule(GRID), "stop", "paint", symmetry=self.symmetry)(scene)
        return turned._replace(corner=turned.corner - corner[:, None] * turned.present[:, :, None]), extent

    def _rectangle(self, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The symmetry for each, and where it takes the grid's rectangle: corner and extent."""
        number = torch.full_like(sizes[:, 0], self.symmetry)
        return number, *symmetries(sizes.device).transform_box(torch.zeros_like(sizes), sizes, number)


@dataclass(frozen=True)
class Crop(Candidate):
    """The box around all objects, moved to the top left, becomes the grid."""

    by_cells, by_scene = True, True

    def on_cells(self, grids: Tensor, sizes: Tensor) -> Changed:
        found = crop_to_corner(grids)
        return Changed(found.grids.to(torch.uint8), found.extent, ~found.empty)

    def on_scene(self, scene: Scene, sizes: Tensor) -> tuple[Scene, Tensor]:
        first, last = scene.bounds()
        moved = scene._replace(corner=(scene.corner - first[:, None]) * scene.present[:, :, None])
        return moved.unless((scene.num_objects == 0) * NOT_THERE, scene), (last - first).clamp(min=1)


@dataclass(frozen=True)
class ScaleWithin(Candidate):
    """Every cell becomes a block of factor × factor cells, and the grid so many times as large."""

    factor: int

    by_cells = True

    def on_cells(self, grids: Tensor, sizes: Tensor) -> Changed:
        wanted = sizes * self.factor
        grown = enlarged(grids, torch.full_like(sizes[:, 0], self.factor))
        return Changed(grown, wanted, (wanted <= SIZE).all(dim=1))


@dataclass(frozen=True)
class TileWithin(Candidate):
    """The grid so many times below and beside itself; mirrored, every other one is its mirror image."""

    rows: int
    columns: int
    mirrored: bool = False

    by_cells = True

    def on_cells(self, grids: Tensor, sizes: Tensor) -> Changed:
        wanted = sizes * torch.tensor([self.rows, self.columns], device=sizes.device)
        cells = torch.arange(SIZE, device=grids.device)
        sources, inside = [], []
        for side, whole in zip(sizes.unbind(dim=1), wanted.unbind(dim=1), strict=True):
            place, number = cells % side[:, None], cells // side[:, None]
            turned = (number % 2 == 1) & self.mirrored
            sources.append(torch.where(turned, side[:, None] - 1 - place, place))
            inside.append(cells < whole[:, None])
        tiled = pick(grids, *sources) * (inside[0][:, :, None] & inside[1][:, None])
        return Changed(tiled, wanted, (wanted <= SIZE).all(dim=1))


@dataclass(frozen=True)
class SymmetrizeWithin(Candidate):
    """The grid's background filled with its image under a symmetry that undoes itself; of squares alone where that
    makes rows of columns.
    """

    symmetry: int

    by_cells = True

    def on_cells(self, grids: Tensor, sizes: Tensor) -> Changed:
        image = TurnWithin("", self.symmetry).on_cells(grids, sizes).grids
        square = (sizes[:, 0] == sizes[:, 1]) | (not lies_down(self.symmetry))
        return Changed(torch.where(grids == BACKGROUND, image, grids), sizes, square)
