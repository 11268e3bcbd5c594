"""Grids from logits and from codes."""

from collections.abc import Callable

import torch
from torch import Tensor

from arc_vae.common.finite import NonFinite
from arc_vae.common.grids import NUM_COLORS
from arc_vae.models.base import Posterior

# On a processor as quick as larger ones; at 1,000 the activations added 150 MB to a run's peak. GPUs want more at once.
BATCH, GPU_BATCH = 256, 2048


def portions(values: Tensor) -> tuple[Tensor, ...]:
    """Grids or codes (N, ...) as many at a time as their device takes well."""
    return values.split(GPU_BATCH if values.is_cuda else BATCH)


@torch.no_grad()
def decode_grids(decoder: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """z (N, d) → the most likely colour of each cell, uint8 (N, 16, 16).

    Raises:
        NonFinite: logits that are no numbers have no most likely colour.
    """
    return torch.cat([argmax_colors(_refuse_nan(decoder(part))) for part in portions(z)])


def _refuse_nan(logits: Tensor) -> Tensor:
    if logits.isnan().any():
        raise NonFinite("the decoder's logits are not numbers: training diverged; train anew with a lower optimizer.lr")
    return logits


@torch.no_grad()
def reconstruct_grids(
    encoder: Callable[[Tensor], Posterior], decoder: Callable[[Tensor], Tensor], grids: Tensor
) -> Tensor:
    """Integer grids (N, 16, 16) → those decoded from their posterior means, uint8 (N, 16, 16)."""
    return torch.cat([decode_grids(decoder, encoder(part).mu) for part in portions(grids)])


def argmax_colors(logits: Tensor) -> Tensor:
    """Logits (B, 10, 16, 16) → each cell's most likely colour, uint8 (B, 16, 16); of equals, the lowest.

    On CPUs torch's argmax over so short an axis takes four times as long as this: colours first in memory,
    then whole rows of cells compared at once.
    """
    if logits.device.type != "cpu":
        return logits.argmax(dim=1).to(torch.uint8)
    by_color = logits.transpose(0, 1).flatten(1).contiguous()  # (10, B·256)
    rank = torch.arange(NUM_COLORS, 0, -1, dtype=torch.uint8)  # the highest for the lowest colour
    first = ((by_color == by_color.amax(dim=0)) * rank[:, None]).amax(dim=0)
    # A NaN equals nothing: no colour is first then, and the cell stays background.
    return (NUM_COLORS - first.masked_fill_(first == 0, NUM_COLORS)).view(-1, *logits.shape[2:])
