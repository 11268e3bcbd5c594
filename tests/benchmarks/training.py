"""Training throughput of the real command, everything on, against the bare step at the same settings.

The command runs in this process with validation, records, W&B offline, checkpoints each epoch and pictures each fifth.
After each epoch the bare step (forward, backward, clip, update on one batch: no data, no logging) of a second model is
timed for a while, so that both see the same machine; epoch and bare steps are compared pair by pair.

    python tests/benchmarks/training.py [overrides of the command]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import torch
from schedule import short
from step import bare
from step_setup import make_step
from timing import print_table

from arc_vae.corpus import Corpus
from arc_vae.corpus.atomic.scenes import generate
from arc_vae.train import main as train
from arc_vae.training.checkpoint_files import CheckpointWriter

BARE_STEPS = 200


def bare_step(overrides: list[str]) -> tuple[Callable[[], None], int]:
    """The bare step and the grids it trains on."""
    grids = generate("train", 8192, seed=0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    step = make_step(Corpus("batch", grids, grids, grids), *overrides, device=device)
    batch_size = step.state.config["training"]["batch_size"]
    return bare(step, torch.from_numpy(grids[:batch_size]).to(device)), batch_size


class Stopwatch:
    """Times an epoch, from checkpoint to checkpoint, then the bare step."""

    def __init__(self, call: Callable[[], None]):
        self.call = call
        self.epochs: list[float] = []
        self.bare: list[float] = []
        self.started = 0.0

    def epoch_over(self) -> None:
        """The first epoch is not counted: it holds the start of everything."""
        now = time.perf_counter()
        if self.started:
            self.epochs.append(now - self.started)
        for _ in range(5):
            self.call()
        now = time.perf_counter()
        for _ in range(BARE_STEPS):
            self.call()
        self.bare.append((time.perf_counter() - now) / BARE_STEPS)
        self.started = time.perf_counter()


def run_command(overrides: list[str], watch: Stopwatch, epochs: int) -> None:
    """The real command in this process, up to the closing evaluation."""
    save_epoch = CheckpointWriter.save_epoch

    def save_and_time(*arguments):
        kept = save_epoch(*arguments)
        watch.epoch_over()
        return kept

    def stop(*_):
        raise SystemExit

    CheckpointWriter.save_epoch, CheckpointWriter.save_final = save_and_time, stop
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["train", f"hydra.run.dir={folder}/run", *short(epochs), *overrides]
        try:
            train()
        except SystemExit:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-grids", type=int, default=100_000, help="of the atomic corpus")
    parser.add_argument("--epochs", type=int, default=6, help="the first is not counted")
    parser.add_argument("overrides", nargs="*", help="of the command")
    arguments = parser.parse_args()

    call, batch_size = bare_step(arguments.overrides)
    watch = Stopwatch(call)
    run_command([f"data.num_grids={arguments.num_grids}", *arguments.overrides], watch, arguments.epochs)
    steps = int(0.8 * arguments.num_grids) // batch_size
    rows, ratios = [], []
    for epoch, (seconds, before, after) in enumerate(zip(watch.epochs, watch.bare, watch.bare[1:], strict=False), 2):
        each, step = seconds / steps, (before + after) / 2
        ratios.append(step / each)
        rows.append((epoch, f"{1e3 * each:.1f}", f"{batch_size / each:,.0f}", f"{1e3 * step:.1f}", f"{ratios[-1]:.3f}"))
    rows.append(("median", "", "", "", f"{statistics.median(ratios):.3f}"))
    header = ("epoch", "command ms/step", "grids/s", "bare ms/step", "throughput ratio (goal 0.95)")
    print_table("The real command against the bare step", header, rows)


if __name__ == "__main__":
    main()
