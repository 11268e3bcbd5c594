"""Which epoch is best so far, and when to stop waiting for a better one."""

import math
from typing import Literal

from arc_vae.common.errors import require
from arc_vae.evaluation.catalog import VALIDATION_METRICS


class EarlyStopping:
    """Watches one validation metric.

    Args:
        patience: epochs without improvement after which training ends; None never ends it.
        monitor: name of the watched metric. The default is the objective at the schedule's final β:
            under the ramping β the first epoch would always be best.
        mode: whether "min" or "max" is better.
    """

    def __init__(self, patience: int | None = 10, monitor: str = "val/loss_total", mode: Literal["min", "max"] = "min"):
        require(patience is None or patience >= 1, "patience", patience, "at least 1 epoch, or null for no early stop")
        require(monitor in VALIDATION_METRICS, "monitor", monitor, f"one of {', '.join(VALIDATION_METRICS)}")
        require(mode in ("min", "max"), "mode", mode, "min or max")
        self.patience = patience
        self.monitor = monitor
        self.mode = mode
        self.best = math.inf if mode == "min" else -math.inf
        self.best_epoch = 0
        self.epoch = 0

    def update(self, epoch: int, metrics: dict) -> bool:
        """Take in an epoch's metrics; True when it is the best so far."""
        value = metrics[self.monitor]
        self.epoch = epoch
        improved = value < self.best if self.mode == "min" else value > self.best
        if improved:
            self.best, self.best_epoch = value, epoch
        return improved

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.epoch - self.best_epoch >= self.patience

    def state_dict(self) -> dict:
        return {"best": self.best, "best_epoch": self.best_epoch, "epoch": self.epoch}

    def load_state_dict(self, state: dict) -> None:
        self.best, self.best_epoch, self.epoch = state["best"], state["best_epoch"], state["epoch"]
