"""Operations of a model: which it has, and how they are applied to its grids and codes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_vae.common.errors import UserError
from arc_vae.models.base import VAE
from arc_vae.models.decoding import argmax_colors
from arc_vae.operations.batches import as_batch
from arc_vae.operations.catalogue import recolour, reflect, remove, rotate_90, scale, translate
from arc_vae.operations.codes import decode, states_objects
from arc_vae.operations.operation import Operation

# Grids encoded or decoded at a time.
PORTION = 512


def available(model: VAE) -> dict[str, Operation]:
    """The operations that a model has in its codes, by name, bound to it.

    Of object slots these are examples: every operation of the package can be bound, with any arguments. Any other model
    has those that were learnt for it, and scaling goes through the grid in all.
    """
    if states_objects(model):
        every: tuple[dict[str, Any], ...] = ({}, {"of": "largest"})
        found = [
            *(make(**of) for of in every for make in (rotate_90, reflect)),
            *(translate(dx, 0, **of) for of in every for dx in (1, 3)),
            *(recolour({1: 2, 2: 1}, **of) for of in every),
            remove("largest"),
        ]
    else:
        learnt = getattr(model, "learnt_operators", {})
        found = [operation for operation in learnable() if operation.name in learnt]
    return {operation.name: operation.on(model) for operation in [*found, scale(2)]}


def learnable() -> list[Operation]:
    """The operations that are learnt for models whose codes do not state objects."""
    return [translate(1, 0), translate(3, 0), rotate_90(), reflect(), recolour({1: 2, 2: 1})]


@torch.no_grad()
def apply(model: VAE, operation: Operation, given: Any) -> Any:
    """Integer grids → the decoded grids of the changed codes; float codes → the changed codes. numpy or torch, one or
    a batch, and the same out.

    Raises:
        Refused: a grid or code that does not admit it. UserError: neither integers nor floats.
    """
    operation = operation.on(model)
    device = next(model.parameters()).device
    kind = given.dtype if isinstance(given, Tensor) else torch.from_numpy(np.asarray(given)[:0]).dtype
    if kind.is_floating_point:
        if isinstance(given, Tensor):
            return operation.on_codes(given.to(device)).to(given.device)
        return operation.on_codes(torch.as_tensor(given, device=device)).cpu().numpy()
    if kind == torch.bool:
        raise UserError("apply: given booleans; give integer grids (B, 16, 16) or float codes (B, d)")
    grids, back = as_batch(given)
    changed = operation.on_codes(encode(model, grids.to(device)))
    return back(decode_grids(model, changed, operation.apart).cpu())


@torch.no_grad()
def encode(model: VAE, grids: Tensor) -> Tensor:
    """Integer grids (N, 16, 16) on the model's device → posterior means (N, d), in portions."""
    return torch.cat([model.encode(part).mu for part in grids.split(PORTION)])


@torch.no_grad()
def decode_grids(model: VAE, z: Tensor, apart: bool = True) -> Tensor:
    """Codes (N, d) → the most likely colour of each cell, uint8 (N, 16, 16), in portions."""
    return torch.cat([argmax_colors(decode(model, part, apart)) for part in z.split(PORTION)])
