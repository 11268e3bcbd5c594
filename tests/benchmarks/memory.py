"""Peak memory of the real training command, against what it must hold; where in the run the peak falls.

Counted: the corpus, the model's parameters, their gradients, the optimizer's moments, one batch's activations saved for
the backward pass and their gradients. The libraries: a fresh process that only imports them. Goal: (peak - libraries)
is at most 1.5 times what is counted. CPU only, Linux only.
"""

import argparse
import tempfile
from itertools import groupby
from pathlib import Path

from fresh import MB, in_fresh_process
from rss_trace import Sample, trace_training, write_trace
from schedule import short
from step_setup import counted_bytes
from timing import print_table

from arc_vae.common.grids import CELLS

GOAL = 1.5


def count(num_grids: int, batch_size: int) -> dict[str, float]:
    """What a run must hold, in MB, by resolved precision; prints it by kind."""
    counted = {}
    for precision in ("float32", "bfloat16"):
        _, parts = counted_bytes(batch_size, precision)
        counted[precision] = {"corpus": num_grids * CELLS, **parts}
    rows = [
        (precision, *(f"{size / MB:.1f}" for size in (*parts.values(), sum(parts.values()))))
        for precision, parts in counted.items()
    ]
    title = f"what must be held, MB: {num_grids:,} grids in all splits, a batch of {batch_size}"
    print_table(title, ("precision", *counted["float32"], "sum"), rows)
    return {precision: sum(parts.values()) / MB for precision, parts in counted.items()}


def print_phases(libraries: dict, samples: list[Sample]) -> None:
    """The highest reading of each phase, and what it is made of."""
    header = ("phase", "seconds", "highest RSS, MB", "mapped files", "data", "peak so far", "child processes")
    rss, files = libraries["rss_mb"], libraries["files_mb"]
    rows = [("0 libraries alone", "", *(f"{mb:.0f}" for mb in (rss, files, rss - files, libraries["peak_mb"])), "")]
    for name, group in groupby(samples, key=lambda sample: sample.phase):
        readings = list(group)
        top = max(readings, key=lambda sample: sample.rss)
        children = max(sample.children for sample in readings)
        figures = (top.rss, top.files, top.rss - top.files, readings[-1].peak, children)
        span = f"{readings[0].seconds:.1f}-{readings[-1].seconds:.1f}"
        rows.append((name, span, *(f"{figure:.0f}" for figure in figures)))
    print_table("memory by phase, read every 0.2 s", header, rows)


def print_verdict(libraries: dict, counted: float, precision: str, samples: list[Sample]) -> None:
    """The run's peak against what is counted."""
    peak = max(sample.peak for sample in samples)
    reached = next(sample for sample in samples if sample.peak == peak)
    ratio = (peak - libraries["rss_mb"]) / counted
    header = (
        "precision",
        "libraries, MB",
        "counted, MB",
        "peak RSS, MB",
        "(peak - libraries) / counted",
        "goal",
        "peak in",
    )
    figures = [f"{mb:.0f}" for mb in (libraries["rss_mb"], counted, peak)]
    row = (precision, *figures, f"{ratio:.2f}", f"<= {GOAL}", f"{reached.phase}, at {reached.seconds:.1f} s")
    print_table("the training command's peak memory", header, [row])


def settings(arguments: argparse.Namespace) -> list[str]:
    """The overrides that the options stand for."""
    return [
        f"data.num_grids={arguments.num_grids}",
        f"training.batch_size={arguments.batch_size}",
        *short(arguments.epochs),
        f"training.precision={arguments.precision}",
        "training.device=cpu",
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-grids", type=int, default=100_000, help="grids of the corpus (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="grids a step (%(default)s)")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of training (%(default)s)")
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--trace", type=Path, help="a CSV file to write all readings to, memory in MB")
    parser.add_argument("overrides", nargs="*", help="further overrides of arc_vae.train, say wandb.mode=disabled")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    libraries = in_fresh_process("libraries:import_all")
    counted = count(arguments.num_grids, arguments.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        overrides = [*settings(arguments), f"data.directory={folder}/datasets", *arguments.overrides]
        samples = trace_training(overrides, Path(folder) / "run")
    if arguments.trace:
        write_trace(samples, arguments.trace)
    print_phases(libraries, samples)
    precision, _ = counted_bytes(arguments.batch_size, arguments.precision)
    print_verdict(libraries, counted[precision], precision, samples)


if __name__ == "__main__":
    main()
