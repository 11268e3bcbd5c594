"""Everything worth knowing of a machine with a GPU, in one command of 8 minutes that needs nothing beforehand.

Parts in order of importance, each a process of its own with its own limit; what a part leaves of its time the next may
use. A part that fails, or is stopped at its limit, keeps what it found so far, and the others go on. OUT/gpu.json is
written after every part, OUT/PART/findings.json after every figure, the log of a part is OUT/PART/output.log.

gpu_tests         the tests that skip without a GPU
default_run       the default experiment whole, with its figures and its memory
throughput        steps/s, eager, as a graph and compiled, in each precision, at batches of 128 to 8,192
object_slots      experiment=object_slots whole
resumption        stopped and killed runs against one never interrupted, to the bit
other_device      a checkpoint of the GPU on the CPU, and the other way
synchronisations  how often a step waits for the GPU, and where
side_by_side      1, 2, 4, 8 and 16 runs at once

    python tests/benchmarks/gpu.py --output OUT
    python tests/benchmarks/gpu.py --output OUT --tiny      # seconds each, on any machine: shows that it runs
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

from gpu_parts import PARTS
from gpu_parts.findings import Findings
from gpu_parts.runner import own_command, run_parts

ROOT = Path(__file__).resolve().parents[2]


def run_part(name: str, folder: Path, tiny: bool) -> None:
    """One part in this process."""
    module, function = next(part.call for part in PARTS if part.name == name).split(":")
    findings = Findings(folder / name, tiny)
    getattr(importlib.import_module(f"gpu_parts.{module}"), function)(findings)
    findings.save()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of all that is written; kept out of git")
    parser.add_argument("--tiny", action="store_true", help="sizes that take seconds, and whose figures say nothing")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=[part.name for part in PARTS], help="these parts")
    parser.add_argument(
        "--stretch", type=float, default=1.0, help="times every limit, for a slow machine (%(default)s)"
    )
    parser.add_argument("--part", choices=[part.name for part in PARTS], help="one part, in this process, unlimited")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    folder = arguments.output.resolve()
    # The parts' own commands import the package of this checkout, installed or not.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ["WANDB_MODE"] = "disabled"
    if arguments.part:
        run_part(arguments.part, folder, arguments.tiny)
        return
    chosen = [
        part._replace(seconds=part.seconds * arguments.stretch)
        for part in PARTS
        if part.name in (arguments.only or [part.name])
    ]
    options = ["--output", str(folder), *(["--tiny"] if arguments.tiny else []), "--part"]
    result = run_parts(chosen, folder, own_command(Path(__file__).resolve(), *options))
    print(f"\nall figures: {folder / 'gpu.json'}")
    sys.exit(any(part["state"] == "failed" for part in result["parts"].values()))


if __name__ == "__main__":
    main()
