"""Does a quick setting cost quality? The real command in several settings over the same seeds, two runs at a time.

Each run has one thread on a core of its own. Figures are of the test split, mean and sample standard deviation over
the seeds; the last column tells the largest difference between two settings' means in units of the larger deviation.

    python tests/benchmarks/quality.py --epochs 15 --seeds 0 1 2 \\
        --setting float32 training.precision=float32 --setting bfloat16 training.precision=bfloat16
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from schedule import short
from timing import print_table

METRICS = (
    "pixel_accuracy",
    "object_accuracy",
    "balanced_accuracy",
    "perfect_rate",
    "reconstruction_nats",
    "kl_nats",
    "elbo_nats",
    "sample_validity",
    "sample_c2st",
    "interpolation_validity",
    "interpolation_smoothness",
    "seconds",
)


def train(overrides: list[str], folder: Path, cores: Queue) -> dict:
    """metrics.json of one run on one core."""
    core = cores.get()
    try:
        command = [sys.executable, "-m", "arc_vae.train", f"hydra.run.dir={folder}", "wandb.mode=disabled", *overrides]
        with Path(f"{folder}.out").open("w") as out:
            subprocess.run(
                command,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=out,
                stderr=out,
                check=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
    finally:
        cores.put(core)
    print(f"{folder.name} done", file=sys.stderr, flush=True)
    return json.loads((folder / "metrics.json").read_text())


def spread(results: list[dict], metric: str) -> tuple[float, float]:
    """Mean and standard deviation of a metric over the seeds."""
    values = [result[metric] for result in results]
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else float("nan")


def row(results: dict[str, list[dict]], metric: str) -> list[str]:
    """A metric in every setting, and how far apart the settings are."""
    figures = [spread(runs, metric) for runs in results.values()]
    means, deviations = zip(*figures, strict=True)
    apart = f"{(max(means) - min(means)) / max(deviations):.1f}" if max(deviations) else "-"
    return [metric, *(f"{mean:.4g} ± {deviation:.2g}" for mean, deviation in figures), apart]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", action="append", nargs="+", required=True, help="a name, then its overrides")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=None, help="where the runs lie afterwards (default: nowhere)")
    arguments = parser.parse_args()

    cores: Queue = Queue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(cores.qsize()) as pool:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        runs = {
            (name, seed): pool.submit(
                train, [*short(arguments.epochs), f"seed={seed}", *overrides], folder / f"{name}_seed{seed}", cores
            )
            for seed in arguments.seeds
            for name, *overrides in arguments.setting
        }
        results = {name: [runs[name, seed].result() for seed in arguments.seeds] for name, *_ in arguments.setting}
    header = ("metric", *results, "apart")
    rows = [row(results, metric) for metric in METRICS]
    print_table(f"{arguments.epochs} epochs, seeds {arguments.seeds}, one thread each", header, rows)


if __name__ == "__main__":
    main()
