"""What the benchmarks share: settings timed in turn, so that a drift of the machine touches all alike; one table."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch


def in_turn(settings: dict[str, Callable[[], object]], rounds: int, calls: int = 1) -> dict[str, list[float]]:
    """Seconds of every call: `rounds` times through all settings, `calls` of each at a time, one unmeasured first."""
    seconds: dict[str, list[float]] = {name: [] for name in settings}
    for call in settings.values():
        call()
    for _ in range(rounds):
        for name, call in settings.items():
            for _ in range(calls):
                started = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - started)
    return seconds


def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    """The figure to quote of each setting; other work on the machine only ever adds to single calls."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def machine() -> str:
    """The machine in one line, to stand above every table."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, torch {torch.__version__}{gpu}"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """`rows` under `header`, columns aligned, the machine in the title's next line."""
    table = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    print(f"\n{title}\n({machine()})")
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
