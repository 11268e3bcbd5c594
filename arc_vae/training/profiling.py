"""Where the time of a training goes, by torch's profiler."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

logger = logging.getLogger(__name__)

TABLE, TRACE = "profile.txt", "profile.json"
ROWS = 25


@contextmanager
def profiled(directory: Path, wanted: bool | None) -> Iterator[None]:
    """While entered, and if `wanted`, time is taken; on leaving, profile.txt and profile.json are in the directory."""
    if not wanted:
        yield
        return
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=activities) as taken:
        yield
    key = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    table = taken.key_averages().table(sort_by=key, row_limit=ROWS, max_name_column_width=60)
    (directory / TABLE).write_text(table, encoding="utf-8")
    taken.export_chrome_trace(str(directory / TRACE))
    logger.info("where the time went:\n%s\nthe table lies in %s, the trace in %s", table, TABLE, directory / TRACE)
