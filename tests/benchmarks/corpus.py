"""Generating the atomic corpus: how much faster than a loop over grids, and how time and memory grow with its size."""

import argparse

import numpy as np
from corpus_build import generate_splits
from corpus_loop import loop_grids
from fresh import in_fresh_process
from timing import in_turn, medians, print_table

GOAL_MB = 1000


def compare(num_grids: int, loop_count: int, rounds: int) -> None:
    """The generator against the loop, both for `num_grids`."""
    settings = {"loop": lambda: loop_grids(loop_count, seed=0), "generator": lambda: generate_splits(num_grids)}
    seconds = medians(in_turn(settings, rounds))
    shares = {"loop": background(settings["loop"]()), "generator": background(generate_splits(num_grids)["train"])}
    measured = {"loop": loop_count, "generator": num_grids}
    per_grid = {name: seconds[name] / measured[name] for name in settings}
    rows = [
        (
            "loop over grids, extrapolated" if name == "loop" and loop_count != num_grids else f"{name}, measured",
            f"{measured[name]:,}",
            f"{seconds[name]:.2f}",
            f"{per_grid[name] * num_grids:.2f}",
            f"{1 / per_grid[name]:,.0f}",
            f"{per_grid['loop'] / per_grid[name]:.1f}",
            f"{shares[name]:.2%}",
        )
        for name in settings
    ]
    header = ("way", "grids timed", "seconds", f"seconds for {num_grids:,}", "grids/s", "times the loop", "background")
    print_table(f"generating {num_grids:,} atomic grids, median of {rounds} rounds", header, rows)


def background(grids: np.ndarray) -> float:
    """Share of background cells."""
    return float((grids == 0).mean())


def grow(sizes: list[int]) -> None:
    """Time and peak memory of ever larger corpora, each in a fresh process."""
    rows = []
    first = None
    for size in sizes:
        figures = in_fresh_process("corpus_build:build", num_grids=size)
        per_grid = figures["generate_s"] / size
        first = first or per_grid
        rows.append(
            (
                f"{size:,}",
                f"{figures['generate_s']:.2f}",
                f"{size / figures['generate_s']:,.0f}",
                f"{per_grid / first:.2f}",
                f"{figures['write_s']:.2f}",
                f"{size * 256 / 1e6:.0f}",
                f"{figures['peak_mb']:.0f}",
            )
        )
    header = ("grids", "seconds", "grids/s", "per grid, to the first row", "writing, s", "grids, MB", "peak RSS, MB")
    print_table(f"corpora by size, one fresh process each (goal: under {GOAL_MB} MB at 1,000,000)", header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-grids", type=int, default=100_000, help="grids of the compared corpus (%(default)s)")
    parser.add_argument("--loop-grids", type=int, default=5_000, help="grids the loop really draws (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="times each way is timed (%(default)s)")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[10**4, 10**5, 10**6], help="corpora that show growth (%(default)s)"
    )
    arguments = parser.parse_args()
    compare(arguments.num_grids, arguments.loop_grids, arguments.rounds)
    if arguments.sizes:
        grow(arguments.sizes)


if __name__ == "__main__":
    main()
