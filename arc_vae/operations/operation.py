"""An operation: its meaning on grids, and its way on a model's codes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from arc_vae.common.arrays import take_codes, take_grids
from arc_vae.common.errors import UserError, require
from arc_vae.models.base import VAE
from arc_vae.models.decoding import argmax_colors
from arc_vae.operations.batches import Done
from arc_vae.operations.cells import GridStep
from arc_vae.operations.codes import decode, read_codes, slot_decoder, states_objects, write_codes
from arc_vae.operations.drawing import draw, read_grids
from arc_vae.operations.learnt import learnt_operator
from arc_vae.operations.reencoding import encode_again
from arc_vae.operations.steps import SceneStep
from arc_vae.training.process_kept import leaves_process_alone

# Grids or codes that are worked on at a time.
PORTION = 1024
EXACT, IN_CODE, THROUGH_GRID, LEARNT = "exact", "in the code", "through the grid", "learnt"


class Part(NamedTuple):
    """One step of an operation, and what it is called."""

    name: str
    step: SceneStep | GridStep


@dataclass(frozen=True)
class Operation:
    """One or more steps, one after the other.

    Objects stay what they are from step to step, also where one covers another or two of a colour touch: a scene is
    read once, at the start, and drawn once, at the end. Steps that work on cells draw and read in between.
    """

    parts: tuple[Part, ...]
    model: VAE | None = field(default=None, repr=False)
    by_grid: bool = False

    @property
    def name(self) -> str:
        """What it is called: the names of its parts."""
        return ", ".join(part.name for part in self.parts) + (f", {THROUGH_GRID}" if self.by_grid else "")

    def then(self, other: "Operation") -> "Operation":
        """This one, and after it the other.

        Raises:
            InvalidValue: no operation, or one that is bound to the codes of another model.
        """
        require(isinstance(other, Operation), "other", repr(other), "an operation, such as rotate_90()")
        alike = None in (self.model, other.model) or self.model is other.model
        require(alike, "other", other.name, "unbound, or bound to the same model: codes are one model's")
        return replace(self, parts=self.parts + other.parts, model=self.model or other.model)

    def on(self, model: Any) -> "Operation":
        """The same, for the codes of this model: a VAE, or what `arc_vae.load` gives."""
        return replace(self, model=network_of(model))

    def through_the_grid(self) -> "Operation":
        """The same, but codes are decoded, the grids changed and encoded again, whatever the model."""
        return replace(self, by_grid=True)

    @property
    def apart(self) -> bool:
        """Whether the decoder may move objects apart that overlap: not where they are to be painted over."""
        return all(getattr(part.step, "overlap", "") != "paint" for part in self.parts)

    @property
    def way(self) -> str:
        """How it works on codes: exact, in the code, through the grid or learnt."""
        steps = [part.step for part in self.parts]
        if self.by_grid or any(isinstance(step, GridStep) for step in steps):
            return THROUGH_GRID
        if self.model is not None and not states_objects(self.model):
            return LEARNT
        return EXACT if all(step.exact for step in steps) else IN_CODE

    # On grids

    def truth(self, grids: Any) -> Any:
        """Integer grids (B, 16, 16) or one (16, 16), numpy or torch → what they should become, of the same kind.

        Raises:
            Refused: a grid that does not admit it; the first such is named.
        """
        batch = take_grids(grids)
        return batch.back(self.try_truth(batch.values).all_well(self.name))

    def try_truth(self, grids: Tensor) -> Done:
        """Integer grids (B, 16, 16) → what they should become, uint8, and which were refused."""
        return self._in_portions(grids, lambda operation, some: operation._truth(some))

    @torch.no_grad()
    def _truth(self, grids: Tensor) -> Done:
        scene, cells = read_grids(grids)
        for part in self.parts:
            if isinstance(part.step, SceneStep):
                scene = part.step(scene)
                continue
            changed, reason = part.step(draw(scene, cells))
            reason = torch.where(scene.refused > 0, scene.refused, reason)
            scene, cells = read_grids(changed)
            scene = scene._replace(refused=reason)
        refused = (scene.refused > 0)[:, None, None]
        return Done(torch.where(refused, grids.to(torch.uint8), draw(scene, cells)), scene.refused)

    def step_by_step(self, grids: Tensor) -> Done:
        """As `try_truth`, but the grid is drawn and read again after every step: what overlaps is then lost, and
        objects of one colour that touch are one.
        """
        refused = torch.zeros(len(grids), dtype=torch.int64, device=grids.device)
        now = grids
        for part in self.parts:
            done = replace(self, parts=(part,)).try_truth(now)
            now, refused = done.value, torch.where(refused > 0, refused, done.refused)
        return Done(torch.where((refused > 0)[:, None, None], grids.to(torch.uint8), now), refused)

    # On codes

    @leaves_process_alone
    def on_codes(self, z: Any) -> Any:
        """Codes (B, d) or one (d,), numpy or torch → those of what the grids should become, of the same kind.

        Written into a code, an operation gives float64: float32 has not the digits to tell every place of an object
        whose form a corpus hardly ever has.

        Raises:
            Refused: a code that does not admit it. UserError: a model without an operator for it. InvalidValue: another
                dtype or shape than the model's codes have, or numbers that are not finite.
        """
        model = self._model()
        batch = take_codes(z, model.latent_dim)
        if not len(batch.values):
            return batch.back(batch.values)
        done = self.try_codes(batch.values.to(next(model.parameters()).device))
        return batch.back(done.all_well(self.name))

    def try_codes(self, z: Tensor) -> Done:
        """Codes (B, d) → codes of what the grids should become, and which were refused; float64 where the operation is
        exact or in the code.
        """
        return self._in_portions(z, lambda operation, some: operation._codes(some))

    @torch.no_grad()
    def _codes(self, z: Tensor) -> Done:
        model = self._model()
        refused = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        now, index = z, 0
        while index < len(self.parts):
            last = self._same_way(index)
            # Objects that any step so far painted over others stay there.
            apart = replace(self, parts=self.parts[:last]).apart
            done = replace(self, parts=self.parts[index:last])._changed(model, now, apart)
            now, refused, index = done.value, torch.where(refused > 0, refused, done.refused), last
        return Done(torch.where((refused > 0)[:, None], z, now), refused)

    def _in_portions(self, given: Tensor, do: Callable[["Operation", Tensor], Done]) -> Done:
        """What `do` makes of grids or codes (B, ...), so many at a time that memory does not grow with them."""
        for part in self.parts:
            part.step.refuse_number(len(given))
        found = []
        for first in range(0, max(len(given), 1), PORTION):
            rows = slice(first, first + PORTION)
            parts = tuple(part._replace(step=part.step.at(rows)) for part in self.parts)
            found.append(do(replace(self, parts=parts), given[rows]))
        return Done(*(torch.cat(column) for column in zip(*found, strict=True)))

    def _model(self) -> VAE:
        if self.model is None:
            raise UserError(f"{self.name}: codes are one model's; bind the operation to it: operation.on(model)")
        return self.model

    def _same_way(self, index: int) -> int:
        """Up to which part those from `index` on are done together."""
        if self.by_grid:
            return len(self.parts)
        cells = isinstance(self.parts[index].step, GridStep)
        end = index + 1
        while end < len(self.parts) and isinstance(self.parts[end].step, GridStep) == cells:
            end += 1
        return end

    def _changed(self, model: VAE, z: Tensor, apart: bool) -> Done:
        if self.way == THROUGH_GRID:
            done = self._truth(argmax_colors(decode(model, z, apart)))
            return Done(encode_again(model, done.value, apart), done.refused)
        if self.way == LEARNT:
            for part in self.parts:
                z = learnt_operator(model, part.name)(z)
            return Done(z, torch.zeros(len(z), dtype=torch.int64, device=z.device))
        decoder = slot_decoder(model)
        scene = read_codes(decoder, z)
        for part in self.parts:
            assert isinstance(part.step, SceneStep)  # those of cells go through the grid
            scene = part.step(scene)
        return Done(write_codes(decoder, z, scene), scene.refused)


def compose(operations: Iterable[Operation]) -> Operation:
    """The operations one after the other, as one.

    Raises:
        InvalidValue: none, something else, or two that are bound to different models.
    """
    wanted = "a list of one operation or more, such as [rotate_90(), translate(2, 0)]"
    require(isinstance(operations, Iterable), "operations", repr(operations), wanted)
    operations = list(operations)
    good = len(operations) >= 1 and all(isinstance(operation, Operation) for operation in operations)
    require(good, "operations", operations, wanted)
    whole = operations[0]
    for operation in operations[1:]:
        whole = whole.then(operation)
    return whole


def network_of(model: Any) -> VAE:
    """The VAE itself, or that of what `arc_vae.load` gives.

    Raises:
        InvalidValue: it is neither.
    """
    network = model if isinstance(model, nn.Module) else getattr(model, "network", None)
    whole = isinstance(network, nn.Module) and all(hasattr(network, half) for half in ("encoder", "decoder"))
    require(whole, "model", type(model).__name__, "a whole model, as arc_vae.load(<run directory>) gives it")
    return network  # type: ignore[return-value]  # by what it offers
