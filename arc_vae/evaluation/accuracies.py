"""How well grids are reconstructed and how the latents are used: pure functions of tensors."""

import torch
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, NUM_COLORS
from arc_vae.evaluation.catalog import ACTIVE_KL_NATS
from arc_vae.models.float64 import in_float64

# Grids counted at a time.
PART = 4096


def pixel_accuracy(predicted: Tensor, grids: Tensor) -> Tensor:
    """Share of cells right; integer grids (N, 16, 16) both."""
    return (predicted == grids).float().mean()


def object_accuracy(predicted: Tensor, grids: Tensor) -> Tensor:
    """Share of non-background cells right (NaN-free: 0 where there is no object cell)."""
    objects = grids != BACKGROUND
    return ((predicted == grids) & objects).sum() / objects.sum().clamp(min=1)


def reconstruction_accuracies(predicted: Tensor, grids: Tensor) -> dict[str, float]:
    """All accuracies of reconstructions, with the baseline that always answers the most common colour.

    `object_accuracy` is a recall: the share of object cells that are right. It can be bought by answering objects
    where in doubt; `object_precision`, the share of the answered object cells that are right, then falls.

    Args:
        predicted: integers (N, 16, 16). grids: the truth, same shape.
    """
    right = predicted == grids
    # In parts: bincount makes int64 copies, eight bytes a cell.
    parts = zip(right.split(PART), grids.split(PART), strict=True)
    counts = [
        torch.bincount((truth + NUM_COLORS * hit.to(truth.dtype)).flatten(), minlength=2 * NUM_COLORS)
        for hit, truth in parts
    ]
    wrong_of, right_of = torch.stack(counts).sum(dim=0).view(2, NUM_COLORS)  # cells of each colour
    total_of = wrong_of + right_of
    present = total_of > 0
    objects = torch.arange(NUM_COLORS, device=grids.device) != BACKGROUND
    cells = grids.numel()
    return {
        # Quotients of whole numbers, so that an all-background answer equals its baseline and does not beat it.
        "pixel_accuracy": int(right_of.sum()) / cells,
        "baseline_accuracy": int(total_of.max()) / cells,
        "object_accuracy": int(right_of[objects].sum()) / max(int(total_of[objects].sum()), 1),
        "object_precision": int(right_of[objects].sum()) / max(int((predicted != BACKGROUND).sum()), 1),
        "balanced_accuracy": (in_float64(right_of[present]) / in_float64(total_of[present])).mean().item(),
        "perfect_rate": int(right.flatten(1).all(dim=1).sum()) / len(grids),
    }


def active_dims(kl_per_dim: Tensor) -> Tensor:
    """Number of latent dimensions that carry information; kl_per_dim (d,) in nats."""
    return (kl_per_dim > ACTIVE_KL_NATS).sum()
