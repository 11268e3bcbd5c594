"""The parts of `gpu.py`, in order of importance, each with the seconds it may take."""

from typing import NamedTuple


class Part(NamedTuple):
    """A part's name, its own limit in seconds, and its function, `module:name` of this folder."""

    name: str
    seconds: float
    call: str


PARTS = (
    Part("gpu_tests", 80, "suite:run_gpu_tests"),
    Part("default_run", 120, "whole_runs:default_run"),
    Part("throughput", 60, "throughput:measure"),
    Part("object_slots", 100, "whole_runs:object_slots"),
    Part("resumption", 45, "resumption:measure"),
    Part("other_device", 45, "other_device:measure"),
    Part("synchronisations", 15, "synchronisations:measure"),
    Part("side_by_side", 15, "side_by_side:measure"),
)
