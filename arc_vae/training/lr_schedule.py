"""Learning-rate schedules, stepped once a batch; the optimizer's `lr` is the peak."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from arc_vae.common.errors import require


def cosine(
    optimizer: Optimizer, steps_per_epoch: int, T_max: int = 50, eta_min: float = 1e-5, warmup_steps: int = 0
) -> LambdaLR:
    """Cosine annealing from `lr` to `eta_min` over `T_max` epochs (Loshchilov & Hutter 2017), after a
    linear warm-up over the first `warmup_steps` batches, if any.
    """
    require(T_max >= 1, "T_max", T_max, "at least 1 epoch")
    require(eta_min >= 0, "eta_min", eta_min, "0 or more")
    require(warmup_steps >= 0, "warmup_steps", warmup_steps, "0 or more batches")
    floor = eta_min / optimizer.param_groups[0]["lr"]
    total = T_max * steps_per_epoch

    def factor(step: int) -> float:
        warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
        annealed = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
        return warmup * annealed

    return LambdaLR(optimizer, factor)


def constant(optimizer: Optimizer, steps_per_epoch: int, warmup_steps: int = 0) -> LambdaLR:
    """`lr` throughout, after an optional linear warm-up over `warmup_steps` batches."""
    require(warmup_steps >= 0, "warmup_steps", warmup_steps, "0 or more batches")
    return LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0)
