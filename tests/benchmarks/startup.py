"""What a user waits for: `--help`, `--cfg job` and the first training step, against a bare `import torch`.

Each is a process of its own, taken in turn; the corpus lies there already. The first step is seen from inside: the
process ends when it is done.

    python tests/benchmarks/startup.py
"""

import argparse
import subprocess
import sys
import tempfile

from timing import in_turn, medians, print_table

FIRST_STEP = """
import os, sys
from arc_vae import train
from arc_vae.training.step import TrainingStep
step = TrainingStep.__call__
def first(self, *batch):
    step(self, *batch)
    os._exit(0)
TrainingStep.__call__ = first
sys.argv = ["train", *sys.argv[1:]]
train.main()
raise SystemExit("training never began")
"""


def process(*arguments: str) -> None:
    """Python with those arguments, from start to end."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")


def first_step(num_grids: int) -> None:
    """The real command up to the end of its first training step."""
    with tempfile.TemporaryDirectory() as folder:
        # W&B may still be starting when the process ends.
        process("-c", FIRST_STEP, f"data.num_grids={num_grids}", f"hydra.run.dir={folder}/run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-grids", type=int, default=100_000, help="of the atomic corpus")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    process("-m", "arc_vae.build_corpus", f"data.num_grids={arguments.num_grids}")
    seconds = medians(
        in_turn(
            {
                "import torch": lambda: process("-c", "import torch"),
                "--help": lambda: process("-m", "arc_vae.train", "--help"),
                "--cfg job": lambda: process("-m", "arc_vae.train", "--cfg", "job"),
                "first training step": lambda: first_step(arguments.num_grids),
            },
            arguments.rounds,
        )
    )
    goals = {"--help": "1.5", "--cfg job": "1.5", "first training step": "3"}
    rows = [
        (name, f"{took:.2f}", f"{took / seconds['import torch']:.2f}", goals.get(name, ""))
        for name, took in seconds.items()
    ]
    print_table("Start-up", ("until", "seconds", "of `import torch`", "goal, at most"), rows)


if __name__ == "__main__":
    main()
