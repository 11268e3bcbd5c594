"""Operations of a model: which it has, and how they are applied to its grids and codes."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from arc_vae.common.arrays import CODES, Array, take
from arc_vae.common.errors import require
from arc_vae.configuration.suggest import did_you_mean
from arc_vae.models import decoding
from arc_vae.models.base import VAE
from arc_vae.operations.catalogue import recolour, reflect, remove, rotate_90, scale, translate
from arc_vae.operations.codes import decode, states_objects
from arc_vae.operations.learnt import learnt_operators
from arc_vae.operations.operation import Operation, network_of
from arc_vae.training.process_kept import leaves_process_alone


def available(model: Any) -> dict[str, Operation]:
    """The operations that a model has in its codes, by name, bound to it; of a VAE, or of what `arc_vae.load` gives.

    Of object slots these are examples: every operation of the package can be bound, with any arguments. Any other model
    has those that were learnt for it, and scaling goes through the grid in all.
    """
    model = network_of(model)
    if states_objects(model):
        every: tuple[dict[str, Any], ...] = ({}, {"of": "largest"})
        found = [
            *(make(**of) for of in every for make in (rotate_90, reflect)),
            *(translate(dx, 0, **of) for of in every for dx in (1, 3)),
            *(recolour({1: 2, 2: 1}, **of) for of in every),
            remove("largest"),
        ]
    else:
        found = [operation for operation in learnable() if operation.name in learnt_operators(model)]
    return {operation.name: operation.on(model) for operation in [*found, scale(2)]}


def learnable() -> list[Operation]:
    """The operations that are learnt for models whose codes do not state objects."""
    return [translate(1, 0), translate(3, 0), rotate_90(), reflect(), recolour({1: 2, 2: 1})]


@leaves_process_alone
def apply(model: Any, operation: Operation | str, values: Array) -> Array:
    """Integer grids → the decoded grids of the changed codes; float codes → the changed codes. numpy or torch, one or
    a batch, and the same out. `model`: a VAE, or what `arc_vae.load` gives; `operation` may be the name of one that is
    `available`.

    Raises:
        Refused: a grid or code that does not admit it. InvalidValue: neither grids nor the model's codes.
    """
    network = network_of(model)
    if isinstance(operation, str):
        known = available(network)
        wanted = f"one of {', '.join(known)}{did_you_mean(operation, list(known))}"
        require(operation in known, "operation", operation, wanted)
        operation = known[operation]
    wanted = "an operation, such as arc_vae.operations.rotate_90(), or the name of one of this model's"
    require(isinstance(operation, Operation), "operation", repr(operation), wanted)
    operation = operation.on(network)
    batch = take(values, network.latent_dim, "values")
    given = batch.values.to(next(network.parameters()).device)
    if batch.kind == CODES:
        return batch.back(operation.on_codes(given))
    if not len(given):
        return batch.back(given)
    return batch.back(decode_grids(network, operation.on_codes(encode(network, given)), operation.apart))


@torch.no_grad()
def encode(model: VAE, grids: Tensor) -> Tensor:
    """Integer grids (N, 16, 16) on the model's device → posterior means (N, d), in portions."""
    return torch.cat([model.encode(part).mu for part in decoding.portions(grids)])


def decode_grids(model: VAE, z: Tensor, apart: bool = True) -> Tensor:
    """Codes (N, d) → the most likely colour of each cell, uint8 (N, 16, 16); `apart` as in `codes.decode`."""
    return decoding.decode_grids(partial(decode, model, apart=apart), z)
