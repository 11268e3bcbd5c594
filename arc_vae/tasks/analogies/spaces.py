"""Where programs are searched: among grids, among codes that state objects, among codes with learnt operators.

A space makes *states* of grids, N rows each: the grids themselves, or codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from arc_vae.common.grids import BACKGROUND
from arc_vae.models.base import VAE
from arc_vae.models.object_slots.components import bounding_boxes, count_components
from arc_vae.operations.applying import available, decode_grids, encode
from arc_vae.operations.codes import read_codes, slot_decoder, states_objects, write_codes
from arc_vae.operations.drawing import draw, read_grids
from arc_vae.operations.numbers import Remove
from arc_vae.operations.operation import THROUGH_GRID, Operation
from arc_vae.operations.reencoding import encode_again
from arc_vae.operations.rules import Rule
from arc_vae.operations.scene import Scene
from arc_vae.tasks.analogies.candidates import candidates
from arc_vae.tasks.analogies.within import Candidate
from arc_vae.tasks.scenes import take

# Steps on objects are tried of grids with no more of them: they take as long as there are objects, and longer.
MOST_OBJECTS = 8


class Wanted(NamedTuple):
    """What states should show: grids (N, 16, 16), and the box around all that each holds, (N, 2) both."""

    grids: Tensor
    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, grids: Tensor) -> "Wanted":
        """Those grids."""
        first, extent = bounding_boxes(grids)
        return cls(grids, first, first + extent)


class Tried(NamedTuple):
    """What came of a step: the rows that admit it, and their states and sizes after it."""

    rows: Tensor
    states: Tensor
    sizes: Tensor


class Batch(Protocol):
    """States that are read once, for many steps."""

    def after(self, candidate: Candidate, wanted: Wanted | None = None) -> Tried:
        """After the step; given what is wanted, rows are left out that cannot show it."""
        ...


class Space(Protocol):
    """Grids or codes, and the steps there are."""

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The steps, the plainer ones first."""
        ...

    @property
    def recolours(self) -> bool:
        """Whether a table of colours can be the last step."""
        ...

    def start(self, grids: Tensor) -> Tensor:
        """Integer grids (N, 16, 16) → states."""
        ...

    def show(self, states: Tensor) -> Tensor:
        """States → the grids that they stand for, uint8 (N, 16, 16)."""
        ...

    def read(self, states: Tensor, sizes: Tensor) -> Batch:
        """States with the sizes (N, 2) of their grids, to be worked on."""
        ...

    def recoloured(self, states: Tensor, table: Tensor) -> Tensor:
        """States with the colours of a table (10,)."""
        ...


class GridSpace:
    """Grids: what a program means, without a model."""

    recolours = True

    def __init__(self) -> None:
        self.candidates = candidates()

    def start(self, grids: Tensor) -> Tensor:
        return grids

    def show(self, states: Tensor) -> Tensor:
        return states

    def read(self, states: Tensor, sizes: Tensor) -> Batch:
        return _Grids(states, sizes)

    def recoloured(self, states: Tensor, table: Tensor) -> Tensor:
        return table[states.long()].to(torch.uint8)


class _Grids:
    def __init__(self, states: Tensor, sizes: Tensor):
        self.states, self.sizes = states, sizes

    @cached_property
    def few(self) -> Tensor:
        """The rows of few objects."""
        return (count_components(self.states) <= MOST_OBJECTS).nonzero()[:, 0]

    @cached_property
    def scenes(self) -> tuple[Scene, Tensor]:
        """Their scenes, and the cells of their objects."""
        return read_grids(self.states[self.few])

    def after(self, candidate: Candidate, wanted: Wanted | None = None) -> Tried:
        if candidate.by_cells:
            grids, sizes, fine = candidate.on_cells(self.states, self.sizes)
            rows = fine.nonzero()[:, 0]
            return Tried(rows, grids[rows], sizes[rows])
        if not len(self.few):
            return Tried(self.few, self.states[:0], self.sizes[:0])
        before, cells = self.scenes
        scene, sizes = candidate.on_scene(before, self.sizes[self.few])
        fine = (scene.refused == 0) & _fills(scene, wanted, self.few)
        chosen = fine.nonzero()[:, 0]
        return Tried(self.few[chosen], draw(take(scene, chosen), cells[chosen]), sizes[chosen])


class CodeSpace:
    """Codes that state objects: steps on scenes are written into them, steps on cells go through the grid."""

    recolours = True

    def __init__(self, model: VAE):
        self.model, self.decoder = model, slot_decoder(model)
        self.candidates = candidates()

    def start(self, grids: Tensor) -> Tensor:
        return encode(self.model, grids).double()

    def show(self, states: Tensor) -> Tensor:
        return decode_grids(self.model, states, apart=False)

    def read(self, states: Tensor, sizes: Tensor) -> Batch:
        return _Codes(self, states, sizes)

    def recoloured(self, states: Tensor, table: Tensor) -> Tensor:
        scene = read_codes(self.decoder, states)
        scene = scene._replace(color=table[scene.color])
        gone = scene.present & (scene.color == BACKGROUND)
        removed, reason = Remove(Rule("each"), "stop", "paint").change(scene, gone)
        return write_codes(self.decoder, states, removed._replace(refused=reason))


class _Codes:
    def __init__(self, space: CodeSpace, states: Tensor, sizes: Tensor):
        self.space, self.states, self.sizes = space, states, sizes
        self.scene = read_codes(space.decoder, states)
        self.shown = space.show(states)

    def after(self, candidate: Candidate, wanted: Wanted | None = None) -> Tried:
        if not candidate.by_scene:
            return self._through_the_grid(candidate, wanted)
        scene, sizes = candidate.on_scene(self.scene, self.sizes)
        every = torch.arange(len(sizes), device=sizes.device)
        rows = ((scene.refused == 0) & _fills(scene, wanted, every)).nonzero()[:, 0]
        if not len(rows):
            return Tried(rows, self.states[rows], sizes[rows])
        written = write_codes(self.space.decoder, self.states[rows], take(scene, rows))
        return Tried(rows, written, sizes[rows])

    def _through_the_grid(self, candidate: Candidate, wanted: Wanted | None) -> Tried:
        grids, sizes, fine = candidate.on_cells(self.shown, self.sizes)
        if wanted is not None:
            fine = fine & (grids == wanted.grids).flatten(1).all(dim=1)
        rows = fine.nonzero()[:, 0]
        if not len(rows):
            return Tried(rows, self.states[rows], sizes[rows])
        return Tried(rows, encode_again(self.space.model, grids[rows], apart=False).double(), sizes[rows])


@dataclass(frozen=True)
class Learnt(Candidate):
    """An operation that a model has for its codes; the grid keeps its size."""

    operation: Operation


class LearntSpace:
    """Codes that state no objects: steps are the operators learnt for them, and scaling through the grid."""

    recolours = False

    def __init__(self, model: VAE):
        self.model = model
        self.candidates = [Learnt(operation.name, operation) for operation in available(model).values()]

    def start(self, grids: Tensor) -> Tensor:
        return encode(self.model, grids)

    def show(self, states: Tensor) -> Tensor:
        return decode_grids(self.model, states)

    def read(self, states: Tensor, sizes: Tensor) -> Batch:
        return _LearntBatch(states, sizes)

    def recoloured(self, states: Tensor, table: Tensor) -> Tensor:
        raise NotImplementedError  # `recolours` says so


class _LearntBatch:
    def __init__(self, states: Tensor, sizes: Tensor):
        self.states, self.sizes = states, sizes

    def after(self, candidate: Candidate, wanted: Wanted | None = None) -> Tried:
        assert isinstance(candidate, Learnt)
        done = candidate.operation.try_codes(self.states)
        rows = (done.refused == 0).nonzero()[:, 0]
        return Tried(rows, done.value[rows], self.sizes[rows])


def space_of(model: VAE) -> Space | None:
    """Where programs are searched among a model's codes; None where it has no operators there."""
    if states_objects(model):
        return CodeSpace(model)
    in_codes = [operation for operation in available(model).values() if operation.way != THROUGH_GRID]
    return LearntSpace(model) if in_codes else None


def _fills(scene: Scene, wanted: Wanted | None, rows: Tensor) -> Tensor:
    """Whether the box around all objects is that of what is wanted at these rows; of blank scenes nothing is known."""
    if wanted is None:
        return torch.ones_like(scene.refused, dtype=torch.bool)
    first, last = scene.bounds()
    same = ((first == wanted.first[rows]) & (last == wanted.last[rows])).all(dim=1)
    return same | (scene.num_objects == 0)
