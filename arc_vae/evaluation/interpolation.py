"""What happens on the way between two grids, along a straight line in latent space."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

STEPS = 10


def straight_paths(start: Tensor, end: Tensor, steps: int = STEPS) -> Tensor:
    """`steps` + 1 equally spaced latent codes from each start to its end, both included.

    (P, d) and (P, d) → (P, steps + 1, d), on the same device and of the same dtype.
    """
    share = torch.linspace(0, 1, steps + 1, device=start.device, dtype=start.dtype)[None, :, None]
    return (1 - share) * start[:, None] + share * end[:, None]


def valid_points(paths: np.ndarray, valid: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Which intermediate points of decoded paths are valid grids: bool (P, S-1).

    `paths` is uint8 (P, S+1, 16, 16) with P ≥ 1 and S ≥ 2; `valid` maps grids (N, 16, 16) to bool (N,).
    The two ends are left out: they are reconstructions, whatever lies between them.
    """
    between = paths[:, 1:-1]
    return valid(between.reshape(-1, *paths.shape[2:])).reshape(between.shape[:2])


def interpolation_validity(paths: np.ndarray, valid: Callable[[np.ndarray], np.ndarray]) -> float:
    """Share of valid grids among the intermediate points of decoded paths, in [0, 1]; see `valid_points`."""
    return float(valid_points(paths, valid).mean())


def interpolation_smoothness(paths: np.ndarray) -> float:
    """How abruptly decoded paths change, in [1/S, 1]: lower is smoother, 1 is a single jump.

    `paths` is uint8 (P, S+1, 16, 16). For one path let D be the cells whose values differ between
    its first and its last point. Step s (0 ≤ s < S) changes a cell of D when the cell's value differs
    between points s and s+1. The path's figure is max over s of |{cells of D changed in step s}| / |D|;
    it cannot be under 1/S, because every cell of D changes at least once. The result is the mean
    over the paths whose D is not empty. Where no path has one, the decoder
    ignores its latent code, nothing is interpolated, and the result is 1, the worst.
    """
    differing = paths[:, 0] != paths[:, -1]
    changed = (paths[:, 1:] != paths[:, :-1]) & differing[:, None]
    largest = np.count_nonzero(changed, axis=(2, 3)).max(axis=1)
    cells = np.count_nonzero(differing, axis=(1, 2))
    moving = cells > 0
    return float((largest[moving] / cells[moving]).mean()) if moving.any() else 1.0
