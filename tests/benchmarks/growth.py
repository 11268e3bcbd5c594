"""How a training step, an epoch's validation and a run's start grow with the corpus, latent_dim and the batch size.

A step includes preparing its batch. Times: one process, the settings of an axis in turn, medians. Memory: a fresh
process each that loads the corpus, takes five steps and validates once. "To first": cost per grid in relation to the
first row's, so that 1 or less is linear growth or better. CPU only, Linux only.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence

from fresh import in_fresh_process
from growth_setting import calls
from timing import in_turn, medians, print_table

DEFAULT = {"num_grids": 10_000, "latent_dim": 10, "batch_size": 128}
Calls = dict[int, dict[str, Callable[[], object]]]


def grow(axis: str, values: Sequence[int], directory: str, rounds: int, steps: int) -> None:
    """Tables of the settings in which `axis` takes `values`, the rest as in `DEFAULT`."""
    settings = {value: {**DEFAULT, axis: value, "directory": directory} for value in values}
    timed = {value: calls(**setting) for value, setting in settings.items()}
    step = time_in_turn(timed, "step", rounds, steps)
    validation = time_in_turn(timed, "validation", rounds, 1)
    shuffle = time_in_turn(timed, "shuffle", rounds, 1)
    timed.clear()
    memory = {value: in_fresh_process("growth_setting:run_setting", **setting) for value, setting in settings.items()}
    step_costs = relative({value: step[value] / settings[value]["batch_size"] for value in values})
    val_sizes = {value: settings[value]["num_grids"] // 10 for value in values}
    validation_costs = relative({value: validation[value] / val_sizes[value] for value in values})
    header = (
        axis,
        "step, ms",
        "grids/s",
        "to first",
        "validation, s",
        "grids/s",
        "to first",
        "epoch's first batch, ms",
    )
    header += ("imports, MB", "peak with steps, MB", "with validation, MB")
    rows = [
        (
            f"{value:,}",
            f"{1e3 * step[value]:.1f}",
            f"{settings[value]['batch_size'] / step[value]:,.0f}",
            step_costs[value],
            f"{validation[value]:.3f}",
            f"{val_sizes[value] / validation[value]:,.0f}",
            validation_costs[value],
            f"{1e3 * shuffle[value]:.1f}",
            *(f"{memory[value][name]:.0f}" for name in ("imports_mb", "trained_peak_mb", "peak_mb")),
        )
        for value in values
    ]
    fixed = ", ".join(f"{name}={value:,}" for name, value in DEFAULT.items() if name != axis)
    print_table(f"training by {axis} ({fixed}), median of {rounds} rounds", header, rows)
    if axis == "num_grids":
        print_start(memory)


def time_in_turn(timed: Calls, what: str, rounds: int, times: int) -> dict[int, float]:
    """Median seconds of one of the calls of each setting."""
    return medians(in_turn({value: setting[what] for value, setting in timed.items()}, rounds, times))


def relative(costs: dict[int, float]) -> dict[int, str]:
    """Costs in relation to the first."""
    first = next(iter(costs.values()))
    return {value: f"{cost / first:.2f}" for value, cost in costs.items()}


def print_start(memory: dict[int, dict[str, float]]) -> None:
    """What a corpus costs before the first step."""
    parts = ("load", "sha256", "describe")
    costs = relative({value: sum(figures[part] for part in parts) / value for value, figures in memory.items()})
    rows = [
        (
            f"{value:,}",
            *(f"{figures[part]:.3f}" for part in parts),
            costs[value],
            f"{value * 256 / 2**20:.0f}",
            f"{figures['start_peak_mb'] - figures['imports_mb']:.0f}",
        )
        for value, figures in memory.items()
    ]
    header = ("num_grids", "load, s", "sha256, s", "describe, s", "to first", "corpus, MB", "peak above imports, MB")
    print_table("start of a run by num_grids, one fresh process each, once", header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    integers = {"type": int, "nargs": "*"}
    parser.add_argument("--num-grids", **integers, default=[10**4, 10**5, 10**6], help="corpora (%(default)s)")
    parser.add_argument("--latent-dim", **integers, default=[10, 16, 32], help="latent dimensions (%(default)s)")
    parser.add_argument(
        "--batch-size", **integers, default=[128, 256, 512, 1024, 2048, 4096], help="grids a step (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds through the settings (%(default)s)")
    parser.add_argument("--steps", type=int, default=5, help="steps of each setting a round (%(default)s)")
    parser.add_argument("--directory", help="where corpora are kept (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.directory or temporary
        for axis in ("num_grids", "latent_dim", "batch_size"):
            if values := getattr(arguments, axis):
                grow(axis, values, directory, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    main()
