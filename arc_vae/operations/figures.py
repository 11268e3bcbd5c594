"""How near decoded grids come to what they should be."""

import torch
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, NUM_COLORS
from arc_vae.evaluation.accuracies import reconstruction_accuracies


def figures(decoded: Tensor, truth: Tensor, original: Tensor, refused: Tensor | None = None) -> dict[str, float]:
    """Accuracies of decoded grids, integers (N, 16, 16), against the truth; a refused pair (N,) is wrong everywhere.

    `changed_accuracy`: share of right cells among the objects' cells that are not as in the original. `blank`: share of
    decoded grids without an object where the truth has one. `wrong_colors`: share of decoded grids with a colour that
    the truth has not.
    """
    if refused is not None:
        wrong = torch.where(truth == BACKGROUND, 1, BACKGROUND).to(decoded.dtype)
        decoded = torch.where((refused > 0)[:, None, None], wrong, decoded)
    accuracies = reconstruction_accuracies(decoded, truth)
    held, wanted = colors_held(decoded), colors_held(truth)
    fine = torch.ones(len(truth), dtype=torch.bool, device=truth.device) if refused is None else refused == 0
    kept = ("pixel_accuracy", "baseline_accuracy", "object_accuracy", "object_precision", "perfect_rate")
    changed = (truth != original) & (truth != BACKGROUND)
    return {
        **{name: accuracies[name] for name in kept},
        "changed_accuracy": int(((decoded == truth) & changed).sum()) / max(int(changed.sum()), 1),
        "blank": float((fine & ~held.any(dim=1) & wanted.any(dim=1)).float().mean()),
        "wrong_colors": float((fine & (held & ~wanted).any(dim=1)).float().mean()),
    }


def colors_held(grids: Tensor) -> Tensor:
    """Which of the nine object colours each grid (N, 16, 16) holds, bool (N, 9)."""
    cells = grids.flatten(1).long()
    held = torch.zeros(len(cells), NUM_COLORS, dtype=torch.bool, device=grids.device).scatter_(1, cells, True)
    return held[:, BACKGROUND + 1 :]


def share(value: float, ceiling: float) -> float | None:
    """A value as a share of its ceiling; None where the ceiling is nothing."""
    return value / ceiling if ceiling > 0 else None
