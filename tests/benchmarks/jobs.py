"""Two training runs (seeds 0 and 1) on one machine's CPU: one after the other, or both at once on half the cores each?

Each is the real command, `python -m arc_vae.train`, a process of its own, from the corpus to the report:

one after the other   each with all cores, as the command takes them
both at once, halves  OMP_NUM_THREADS is half the cores, each process pinned to its half where the system can do that
both at once, free    OMP_NUM_THREADS unset: nobody divides the cores

Training seconds are those spent in epochs, whole seconds are from the first process's start to the last one's end.
The goal is that two halves take all in all at most 1/1.4 of the time. Corpus and runs lie in a temporary folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from schedule import short
from timing import medians, print_table

from arc_vae.common.torch_files import load_checkpoint
from arc_vae.training.checkpoint_files import LAST

GOAL = 1.4  # times as fast as one after the other
SEEDS = (0, 1)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

Start = Callable[[int, Sequence[int] | None], subprocess.Popen]


def cores() -> list[int]:
    """The CPUs this process may use, those of one physical core side by side."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))

    def place(cpu: int) -> tuple[int, ...]:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        files = [topology / name for name in ("physical_package_id", "core_id")]
        return (*(int(file.read_text()) for file in files if file.is_file()), cpu)

    return sorted(os.sched_getaffinity(0), key=place)


def start(command: Sequence[str], log: Path, own_cores: Sequence[int] | None) -> subprocess.Popen:
    """A process with its output in `log`; on `own_cores` and with as many threads, or None: wherever it likes."""
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    pin = None
    if own_cores:
        environment["OMP_NUM_THREADS"] = str(len(own_cores))
        pin = (lambda: os.sched_setaffinity(0, own_cores)) if hasattr(os, "sched_setaffinity") else None
    with log.open("w") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=log.parent, preexec_fn=pin)


def finish(process: subprocess.Popen, log: Path) -> None:
    """Wait for the process; a failed one ends the benchmark with its last words."""
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(map(str, process.args))}\nfailed: {log.read_text()[-2000:]}")


def run_pair(folder: Path, train: Sequence[str], halves: Sequence[Sequence[int] | None], at_once: bool) -> tuple:
    """Two runs below `folder`; returns (training seconds, whole seconds) of the pair.

    Runs at once train side by side, so the longer of them counts; one after the other, their sum.
    """
    started = time.perf_counter()
    running = []
    for seed, own_cores in zip(SEEDS, halves, strict=True):
        log = folder / f"{seed}.log"
        running.append((start([*train, f"seed={seed}", f"hydra.run.dir={folder / str(seed)}"], log, own_cores), log))
        if not at_once:
            finish(*running.pop())
    for process, log in running:
        finish(process, log)
    whole = time.perf_counter() - started
    lasts = [folder / str(seed) / "checkpoints" / LAST for seed in SEEDS]
    trained = [load_checkpoint(last, {"seconds"}, "the last.pth of a run")["seconds"] for last in lasts]
    return (max(trained) if at_once else sum(trained)), whole


def training_command(args: argparse.Namespace, corpus: Sequence[str]) -> list[str]:
    """The real command for a short run whose three β phases end with it."""
    overrides = [*short(args.epochs), "training.device=cpu", f"wandb.mode={args.wandb}"]
    return [sys.executable, "-m", "arc_vae.train", *corpus, *overrides, *args.overrides]


def measure(args: argparse.Namespace, folder: Path, half: tuple) -> tuple[dict, dict]:
    """Median training seconds and whole seconds of each way; odd rounds go through the ways backwards."""
    corpus = [f"data.num_grids={args.num_grids}", f"data.directory={folder / 'datasets'}"]
    log = folder / "corpus.log"
    finish(start([sys.executable, "-m", "arc_vae.build_corpus", *corpus], log, None), log)
    train = training_command(args, corpus)
    ways = {
        "one after the other": ((None, None), False),
        "both at once, halves": (half, True),
        "both at once, free": ((None, None), True),
    }
    training, whole = {way: [] for way in ways}, {way: [] for way in ways}
    for number in range(args.rounds):
        for way in list(ways)[:: -1 if number % 2 else 1]:
            below = Path(tempfile.mkdtemp(dir=folder))
            trained, all_in_all = run_pair(below, train, *ways[way])
            training[way].append(trained)
            whole[way].append(all_in_all)
            print(f"round {number + 1}: {way}: {trained:.1f} s training, {all_in_all:.1f} s whole", file=sys.stderr)
    return medians(training), medians(whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-grids", type=int, default=20_000, help="grids in the corpus")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of each run")
    parser.add_argument("--rounds", type=int, default=2, help="times through the three ways; medians are printed")
    parser.add_argument("--wandb", default="offline", choices=("offline", "disabled"), help="wandb.mode of the runs")
    parser.add_argument("overrides", nargs="*", help="overrides of both runs, such as training.precision=float32")
    args = parser.parse_args()
    usable = cores()
    if len(usable) < 2:
        parser.error("there is one core; two runs cannot have one each")
    middle = len(usable) // 2
    with tempfile.TemporaryDirectory() as folder:
        training, whole = measure(args, Path(folder), (usable[:middle], usable[middle : 2 * middle]))
    first = next(iter(training))
    rows = [
        [way, f"{training[way]:.1f}", f"{training[first] / training[way]:.2f}"]
        + [f"{whole[way]:.1f}", f"{whole[first] / whole[way]:.2f}"]
        for way in training
    ]
    title = f"Two runs of {args.epochs} epochs on {args.num_grids:,} grids, {len(usable)} cores (goal: halves {GOAL}×)"
    print_table(title, ["way", "training s", "ratio", "whole s", "ratio"], rows)


if __name__ == "__main__":
    main()
