"""A training step of this checkout against one of another checkout, one after the other on the same machine.

Each runs in a process of its own, by its own `step_setup.py`, on the same 1,280 grids; ten steps of each in turn, and
the median of the ratios. OMP_NUM_THREADS sets the threads.

    git worktree add --detach /tmp/before ece1766
    python tests/benchmarks/against.py /tmp/before experiment=object_slots

With --at-once, both are then timed while the other computes too: of one checkout, with OMP_NUM_THREADS=1, what two jobs
at once gain over one after the other.

    OMP_NUM_THREADS=1 python tests/benchmarks/against.py . --at-once
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from timing import print_table

CHECKOUT = Path(__file__).parents[2]
STEPS = 10
# What each process runs: it times so many steps whenever it reads a line.
TIMED = """
import sys, time
import torch
from step_setup import make_step, train_on
from arc_vae.corpus import Corpus
try:
    from arc_vae.corpus.atomic.scenes import generate
except ImportError:
    from arc_vae.corpus.atomic import generate
grids = generate("train", 1280, seed=0)
step = make_step(Corpus("batch", grids, grids, grids), *sys.argv[2:])
model = (getattr(step, "state", None) or step.learner).model
(getattr(model, "fit_prior", None) or model.look_at)(torch.from_numpy(grids))
call = train_on(step, grids, 128)
for _ in range(5):
    call()
print("ready", flush=True)
for _ in sys.stdin:
    seconds = []
    for _ in range(int(sys.argv[1])):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    print(sorted(seconds)[len(seconds) // 2], flush=True)
"""


def begun(checkout: Path, overrides: list[str]) -> subprocess.Popen:
    """A process that times steps of a checkout, ready to."""
    paths = os.pathsep.join([str(checkout / "tests" / "benchmarks"), str(checkout)])
    process = subprocess.Popen(
        [sys.executable, "-c", TIMED, str(STEPS), *overrides],
        cwd=checkout,  # where `-c` looks first
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while (line := process.stdout.readline()) != "ready\n":
        if not line:
            raise SystemExit(f"{checkout}: the process that was to time its steps has ended")
    return process


def ask(process: subprocess.Popen) -> None:
    """Have it time its steps."""
    process.stdin.write("\n")
    process.stdin.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("overrides", nargs="*", help="of the default configuration, as experiment=object_slots")
    parser.add_argument("--rounds", type=int, default=10, help=f"times {STEPS} steps of each")
    parser.add_argument("--at-once", action="store_true", help="time both while the other computes too")
    arguments = parser.parse_intermixed_args()

    processes = [begun(checkout, arguments.overrides) for checkout in (arguments.before.resolve(), CHECKOUT)]
    seconds: list[list[float]] = [[], []]
    for turn in range(arguments.rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            ask(processes[which])
            seconds[which].append(float(processes[which].stdout.readline()))
    together: list[float] = []
    for _ in range(arguments.rounds if arguments.at_once else 0):
        for process in processes:
            ask(process)
        together += [float(process.stdout.readline()) for process in processes]
    for process in processes:
        process.stdin.close()
    ratio = median(after / before for before, after in zip(*seconds, strict=True))
    rows = [[*(f"{1e3 * median(some):.1f}" for some in seconds), f"{ratio:.2f}"]]
    print_table(f"a step, ms {' '.join(arguments.overrides)}", [str(arguments.before), "this", "this/before"], rows)
    if together:
        alone, both = 1e3 * median(sum(seconds, [])), 1e3 * median(together)
        rows = [[f"{alone:.1f}", f"{both:.1f}", f"{2 * alone / both:.2f}"]]
        print_table("two at once", ["alone, ms", "each of two at once, ms", "times as many steps"], rows)


if __name__ == "__main__":
    main()
