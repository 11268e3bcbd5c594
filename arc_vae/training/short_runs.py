"""Runs of few steps, as small corpora give them: warm-ups cut to fit, and a word where there are too few to learn."""

import copy
import functools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

# Of a run's steps, the warm-ups may take one in so many. The learning rate's only holds training up. In the
# foreground's, colours are learnt: cut to a twentieth, it doubled the steps until that began (outputs/RESULTS.md).
RATE_PART = 20
FOREGROUND_PART = 3

# How many times the steps that a model takes to leave the all-background answer are advised.
ADVISED = 2
STEPS_AN_EPOCH = 25  # that an advised batch size gives at least, down to batches of SMALLEST_BATCH
SMALLEST_BATCH = 16
SMALL_CORPUS = 10_000  # train grids, under which a model that needs fewer steps is named

# Validation: what counts as all background, and as a loss that still falls over the last fifth of the epochs.
BLANK_OBJECT_ACCURACY = 0.01
STILL_FALLING = 0.01


class Length(NamedTuple):
    """How long a run is to be: grids to train on, grids a batch, epochs."""

    grids: int
    batch_size: int
    max_epochs: int

    @property
    def steps_per_epoch(self) -> int:
        return self.grids // self.batch_size

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.max_epochs

    def with_steps(self, steps: int) -> "Length":
        """As many steps or more: by smaller batches where an epoch has few, by more epochs, never by fewer."""
        fitting = max(self.grids // STEPS_AN_EPOCH, SMALLEST_BATCH)
        batch_size = min(self.batch_size, 2 ** int(math.log2(fitting)))
        epochs = math.ceil(steps / max(self.grids // batch_size, 1))
        return Length(self.grids, batch_size, max(self.max_epochs, epochs))

    def overrides(self) -> list[str]:
        """What to type for it."""
        return [f"training.batch_size={self.batch_size}", f"training.max_epochs={self.max_epochs}"]


def cap_warmups(lr_scheduler: Callable, loss: Any, steps: int) -> tuple[Callable, Any]:
    """The scheduler (a partial) and the loss with warm-ups that fit into a run of so many `steps`.

    What is given stays as it is; what is cut is told in the log. Others' schedulers and losses without such a warm-up
    pass through.
    """
    most, cut = steps // RATE_PART, []
    given = getattr(lr_scheduler, "keywords", {}).get("warmup_steps", 0)
    if given > most:
        lr_scheduler = functools.partial(lr_scheduler, warmup_steps=most)
        cut.append(f"lr_scheduler.warmup_steps from {given} to {most}")
    most, given = steps // FOREGROUND_PART, getattr(loss, "foreground_warmup_steps", 0)
    if given > most:
        loss = copy.copy(loss)
        loss.foreground_warmup_steps = most
        cut.append(f"loss.foreground_warmup_steps from {given} to {most}")
    if cut:
        logger.info("warm-ups cut to fit a run of %d steps: %s", steps, ", ".join(cut))
    return lr_scheduler, loss


def longest_warmup(lr_scheduler: Any, loss: Any, steps: int) -> int:
    """Of a run's `steps`, those that the longer warm-up takes once cut to fit; a scheduler that is built has none."""
    of_rate = getattr(lr_scheduler, "keywords", {}).get("warmup_steps", 0)
    of_foreground = getattr(loss, "foreground_warmup_steps", 0)
    return max(min(of_rate, steps // RATE_PART), min(of_foreground, steps // FOREGROUND_PART))


def steps_needed(model: Any) -> int | None:
    """Steps that the model was seen to take until it leaves the all-background answer; None for one never tried."""
    return getattr(model, "steps_off_baseline", None)


def warn_of_short_run(model: Any, length: Length) -> None:
    """Say before training that a run will most likely end at the all-background answer, and what to give instead."""
    needed = steps_needed(model)
    if needed is None or length.steps >= needed:
        return
    logger.warning(
        "%d steps (training.max_epochs=%d, %d batches each) are fewer than the %d or so in which %s leaves the "
        "all-background answer: give %s%s",
        length.steps,
        length.max_epochs,
        length.steps_per_epoch,
        needed,
        type(model).__name__,
        " ".join(length.with_steps(ADVISED * needed).overrides()),
        _quicker(model, length),
    )


def _quicker(model: Any, length: Length) -> str:
    from arc_vae.models import ObjectSlotVAE

    if length.grids >= SMALL_CORPUS or isinstance(model, ObjectSlotVAE):
        return ""
    return ", or take experiment=object_slots, which leaves it sooner and learns few grids better"


class BaselineWatch:
    """Says while a run goes on that it still answers background alone, a third into it and after the warm-up.

    `effective_beta` is that of the schedule's end: a heavy prior is another cause than too few steps.
    """

    def __init__(self, model: Any, length: Length, warmup_steps: int, effective_beta: float):
        self.model = model
        self.length = length
        self.first = max(warmup_steps, length.steps / 3)
        self.effective_beta = effective_beta

    def look(self, step: int, metrics: dict) -> None:
        """Take in an epoch's validation; warn where it shows, and again after twice as many steps."""
        if step < self.first or metrics["val/object_accuracy"] >= BLANK_OBJECT_ACCURACY:
            return
        self.first = 2 * step
        logger.warning(
            "object accuracy is %.4f after %d of %d steps: the model answers background alone; %s",
            metrics["val/object_accuracy"],
            step,
            self.length.steps,
            self._remedy(metrics, "stop it and give" if step < self.length.steps else "give"),
        )

    def _remedy(self, metrics: dict, give: str) -> str:
        needed = steps_needed(self.model) or 0
        if metrics["val/active_dims"] == 0 or self.effective_beta > 1:
            return (
                f"{metrics['val/active_dims']} latent dimensions are active at an effective beta of "
                f"{self.effective_beta:g}: {give} a lower beta_schedule.max_beta or loss=balanced"
            )
        if self.length.steps < ADVISED * needed:
            longer = " ".join(self.length.with_steps(ADVISED * needed).overrides())
            return f"{give} {longer}{_quicker(self.model, self.length)}"
        return f"if the loss no longer falls, {give} loss.foreground_warmup_steps=2000 or optimizer=adam"


def trained_too_little(
    metrics: dict, model: Any, length: Length, steps: int, warmup_steps: int, val_losses: Sequence[float]
) -> dict | None:
    """Why a run that ends at the all-background answer only wants more steps, and how many; None where it does not.

    `finding` is the reason in a sentence; `batch_size` and `max_epochs` what to give. A model without an active
    dimension has collapsed, and one whose loss has stopped falling after enough steps has another fault.
    """
    if metrics["pixel_accuracy"] > metrics["baseline_accuracy"] or metrics["active_dims"] == 0:
        return None
    needed = steps_needed(model) or 0
    reasons = []
    if steps < needed:
        reasons.append(f"it takes about {needed}")
    if steps < warmup_steps:
        reasons.append(f"the warm-up of {warmup_steps} was not over")
    if _still_falling(val_losses):
        reasons.append("val/loss_total was still falling")
    if not reasons:
        return None
    longer = length.with_steps(ADVISED * max(needed, steps))
    finding = f"trained too little: all background after {steps} steps, and {' and '.join(reasons)}"
    return {"finding": finding, "batch_size": longer.batch_size, "max_epochs": longer.max_epochs}


def _still_falling(losses: Sequence[float]) -> bool:
    """Whether the last fifth of the epochs lowered the loss by more than STILL_FALLING of it."""
    back = max(1, len(losses) // 5)
    return len(losses) > back and losses[-1] < (1 - STILL_FALLING) * losses[-1 - back]
