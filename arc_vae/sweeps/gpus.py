"""Which GPU each job of a sweep on this machine trains on: jobs at once share none while there are enough."""

import os
from collections.abc import Sequence

from arc_vae.runs.frozen_config import load_frozen_config
from arc_vae.sweeps.job_files import SweepJob

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> list[str]:
    """This machine's GPUs as CUDA_VISIBLE_DEVICES names them; of those that it names already, if it is set."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = os.environ.get(VISIBLE)
    names = [name.strip() for name in named.split(",")] if named else [str(number) for number in range(count)]
    return names[:count]


def takes_any_gpu(job: SweepJob) -> bool:
    """Whether the job trains on whichever GPU it is given: not on the CPU, and not on one that its user has named."""
    return load_frozen_config(job.directory).training.get("device") in ("auto", "cuda")


def gpu_slots(jobs: Sequence[SweepJob]) -> list[str]:
    """The GPUs to deal out among these jobs; [] where there are none or no job takes one."""
    return visible_gpus() if any(map(takes_any_gpu, jobs)) else []


def environment_of(job: SweepJob, gpu: str | None) -> dict[str, str]:
    """The variables by which a job sees `gpu` alone; {} where there is none or the job does not take any."""
    return {VISIBLE: gpu} if gpu is not None and takes_any_gpu(job) else {}
