"""Training steps a second: eager and compiled, in each precision, at each batch size; the memory each takes."""

from collections.abc import Callable

import numpy as np
import torch
from step_setup import make_step, train_on
from timing import in_turn, medians

from arc_vae.corpus import Corpus
from arc_vae.corpus.atomic.scenes import generate
from gpu_parts.findings import Findings, forget_peak, peak_mb, synchronise

PRECISIONS = ("float32", "bfloat16", "float16")
BATCHES = (128, 512, 2048, 8192)
# Compiling takes half a minute a setting: those that tell most come first.
COMPILED = [(128, "bfloat16"), (128, "float32"), (8192, "bfloat16"), (128, "float16"), (512, "bfloat16")]
ROUNDS = 5
# Of a training step, in its records and in its batches: everything a run does but validation and files.
STEPS = 20


def measure(findings: Findings) -> None:
    """Eager settings of a batch size in turn, then each compiled one in turn with its eager twin."""
    batches, steps = (BATCHES, STEPS) if not findings.tiny else ((4, 8), 2)
    compiled = COMPILED if not findings.tiny else [(4, "float32")]
    grids = generate("train", 4 * max(batches), seed=0)
    for batch_size in batches:
        calls = {}
        for precision in PRECISIONS:
            if precision == "float16" and findings.device == "cpu":
                continue
            calls[precision] = steps_of(findings, grids, batch_size, precision, False, steps)
        for precision, seconds in medians(in_turn({name: call for name, (call, _) in calls.items()}, ROUNDS)).items():
            note(findings, batch_size, precision, "eager", seconds / steps, calls[precision][1])
    for batch_size, precision in compiled:
        pair = {
            way: steps_of(findings, grids, batch_size, precision, way == "compiled", steps)
            for way in ("eager", "compiled")
        }
        seconds = medians(in_turn({way: call for way, (call, _) in pair.items()}, ROUNDS))
        against = seconds["eager"] / seconds["compiled"]
        note(findings, batch_size, precision, "compiled", seconds["compiled"] / steps, pair["compiled"][1], against)


def steps_of(
    findings: Findings, grids: np.ndarray, batch_size: int, precision: str, compile: bool, steps: int
) -> tuple[Callable[[], None], float | None]:
    """A call that trains so many steps and waits for the device; the peak of memory of its first one, in MB."""
    torch.compiler.reset()
    corpus = Corpus("throughput", grids, grids, grids)
    settings = f"training.precision={precision}", f"training.batch_size={batch_size}"
    step = make_step(corpus, *settings, device=findings.device, compile=compile)
    train = train_on(step, grids, batch_size)

    def call() -> None:
        for _ in range(steps):
            train()
        synchronise()

    forget_peak()
    call()
    return call, peak_mb()


def note(
    findings: Findings,
    batch_size: int,
    precision: str,
    way: str,
    seconds: float,
    peak: float | None,
    against: float | None = None,
) -> None:
    """A row: one setting's step."""
    findings.row(
        f"training steps, median of {ROUNDS} rounds",
        batch=batch_size,
        precision=precision,
        way=way,
        ms=1e3 * seconds,
        steps_per_s=1 / seconds,
        grids_per_s=batch_size / seconds,
        times_eager=against,
        peak_mb=peak,
    )
