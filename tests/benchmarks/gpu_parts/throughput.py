"""Training steps a second, kernel by kernel and as a graph, at each batch size and precision; what compiling adds."""

from collections.abc import Callable

import numpy as np
import torch
from step_setup import make_step, train_on
from timing import in_turn, medians

from arc_vae.corpus import Corpus
from arc_vae.corpus.atomic.scenes import generate
from gpu_parts.findings import Findings, forget_peak, peak_mb, synchronise

BATCHES = (128, 512, 2048, 8192)
EAGER_AT = (128, 8192)
# Compiling takes half a minute a setting: those that tell most come first.
COMPILED = [(128, "bfloat16"), (8192, "bfloat16"), (128, "float32")]
ROUNDS = 5
# Of a training step, in its records and in its batches: everything a run does but validation and files.
STEPS = 20


def measure(findings: Findings) -> None:
    """All ways of a batch size in turn; then each compiled setting in turn with its twin that is not."""
    on_gpu = findings.device == "cuda"
    batches, steps = (BATCHES, STEPS) if not findings.tiny else ((4, 8), 2)
    grids = generate("train", 4 * max(batches), seed=0)
    for batch_size in batches:
        wanted = [(precision, "graph") for precision in ("bfloat16", "float32") if on_gpu]
        if batch_size in EAGER_AT or not on_gpu:
            wanted += [(precision, "eager") for precision in ("bfloat16", "float32", *(["float16"] * on_gpu))]
        ways = {way: steps_of(findings, grids, batch_size, *way, steps) for way in wanted}
        seconds = medians(in_turn({way: call for way, (call, _) in ways.items()}, ROUNDS))
        for (precision, way), took in seconds.items():
            against = seconds.get((precision, "eager"), float("nan")) / took
            note(findings, batch_size, precision, way, took / steps, ways[(precision, way)][1], against)
    plain = "graph" if on_gpu else "eager"
    for batch_size, precision in COMPILED if not findings.tiny else [(4, "float32")]:
        ways = {
            way: steps_of(findings, grids, batch_size, precision, way, steps) for way in (plain, f"compiled {plain}")
        }
        seconds = medians(in_turn({way: call for way, (call, _) in ways.items()}, ROUNDS))
        for way, took in seconds.items():
            note(findings, batch_size, precision, way, took / steps, ways[way][1], seconds[plain] / took, f"{plain}'s")


def steps_of(
    findings: Findings, grids: np.ndarray, batch_size: int, precision: str, way: str, steps: int
) -> tuple[Callable[[], None], float | None]:
    """A call that trains so many steps and waits for the device; the peak of memory of its first one, in MB."""
    torch.compiler.reset()
    corpus = Corpus("throughput", grids, grids, grids)
    settings = f"training.precision={precision}", f"training.batch_size={batch_size}"
    step = make_step(corpus, *settings, device=findings.device, compile="compiled" in way, cuda_graph="graph" in way)
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
    against: float,
    whose: str = "eager's",
) -> None:
    """A row: one setting's step, and its rate against another's."""
    findings.row(
        f"training steps, median of {ROUNDS} rounds",
        batch=batch_size,
        precision=precision,
        way=way,
        ms=1e3 * seconds,
        steps_per_s=1 / seconds,
        grids_per_s=batch_size / seconds,
        rate=f"{against:.2f} of {whose}",
        peak_mb=peak,
    )
