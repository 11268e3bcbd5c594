"""Jobs of a sweep on a machine with several GPUs; the machine is a stand-in, no GPU is needed."""

import os
import threading
import time

import pytest
import torch
from omegaconf import OmegaConf

from arc_vae.api.composition import composed
from arc_vae.sweeps import local
from arc_vae.sweeps.gpus import gpu_slots, visible_gpus
from arc_vae.sweeps.job_files import SweepJob
from arc_vae.sweeps.local import run_jobs


def stand_in(monkeypatch, count: int, visible: str | None = None) -> None:
    """A machine with so many GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)


def jobs_on(tmp_path, *devices: str) -> list[SweepJob]:
    """Frozen jobs, one on each device."""
    jobs = [SweepJob(number, [], tmp_path / str(number)) for number in range(len(devices))]
    for job, device in zip(jobs, devices, strict=True):
        (job.directory / ".hydra").mkdir(parents=True)
        OmegaConf.save(composed([f"training.device={device}"])[0], job.directory / ".hydra" / "config.yaml")
    return jobs


class Workers:
    """In place of the workers' processes: what each was given, and who shared a GPU with whom."""

    def __init__(self, monkeypatch, broken: int | None = None):
        self.lock, self.broken = threading.Lock(), broken
        self.given: dict[int, str | None] = {}
        self.threads: set[str] = set()
        self.busy: list[str | None] = []
        self.most_at_once = self.most_on_one = 0
        monkeypatch.setattr(local.JobProcesses, "run", self.run)

    def run(self, command, env, **_) -> int:
        number, gpu = int(command[3].rpartition(os.sep)[2]), env.get("CUDA_VISIBLE_DEVICES")
        with self.lock:
            self.given[number] = gpu
            self.threads.add(env["OMP_NUM_THREADS"])
            self.busy.append(gpu)
            self.most_at_once = max(self.most_at_once, len(self.busy))
            self.most_on_one = max(self.most_on_one, self.busy.count(gpu))
        time.sleep(0.3)
        with self.lock:
            self.busy.remove(gpu)
        if number == self.broken:
            raise OSError("no such interpreter")
        return 0


def test_with_auto_each_job_has_a_gpu_of_its_own_and_as_many_run_as_there_are(monkeypatch, tmp_path):
    stand_in(monkeypatch, 3)
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(12)))
    workers = Workers(monkeypatch)
    run_jobs(jobs_on(tmp_path, *["auto"] * 7), "auto")
    assert set(workers.given.values()) == {"0", "1", "2"} and len(workers.given) == 7
    assert (workers.most_at_once, workers.most_on_one, workers.threads) == (3, 1, {"4"})


def test_more_jobs_at_a_time_than_gpus_are_dealt_evenly(monkeypatch, tmp_path):
    stand_in(monkeypatch, 2)
    workers = Workers(monkeypatch)
    run_jobs(jobs_on(tmp_path, *["cuda"] * 8), 4)
    assert (workers.most_at_once, workers.most_on_one) == (4, 2)
    assert sorted(workers.given.values()).count("1") >= 2


def test_one_at_a_time_takes_the_first_gpu(monkeypatch, tmp_path):
    stand_in(monkeypatch, 4)
    workers = Workers(monkeypatch)
    run_jobs(jobs_on(tmp_path, "auto", "auto"), 1)
    assert workers.given == {0: "0", 1: "0"} and workers.most_at_once == 1


def test_of_gpus_that_the_user_has_named_only_these_are_dealt(monkeypatch, tmp_path):
    stand_in(monkeypatch, 2, visible="5, GPU-c0ffee")
    workers = Workers(monkeypatch)
    run_jobs(jobs_on(tmp_path, "auto", "auto", "auto"), "auto")
    assert set(workers.given.values()) == {"5", "GPU-c0ffee"}


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_job_that_names_its_device_keeps_it(monkeypatch, tmp_path, device):
    stand_in(monkeypatch, 2)
    workers = Workers(monkeypatch)
    run_jobs(jobs_on(tmp_path, device, device, "auto"), "auto")
    assert workers.given[0] is None and workers.given[1] is None and workers.given[2] in ("0", "1")


def test_jobs_on_the_cpu_alone_are_as_many_at_a_time_as_cores(monkeypatch, tmp_path):
    stand_in(monkeypatch, 2)
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(5)))
    workers = Workers(monkeypatch)
    run_jobs(jobs_on(tmp_path, *["cpu"] * 5), "auto")
    assert workers.most_at_once == 5 and set(workers.given.values()) == {None}


def test_without_a_gpu_nothing_is_dealt(monkeypatch, tmp_path):
    stand_in(monkeypatch, 0, visible="")
    assert visible_gpus() == [] and gpu_slots(jobs_on(tmp_path, "auto")) == []


def test_a_job_that_cannot_start_gives_its_gpu_back(monkeypatch, tmp_path):
    stand_in(monkeypatch, 1)
    workers = Workers(monkeypatch, broken=0)
    with pytest.raises(OSError, match="no such interpreter"):
        run_jobs(jobs_on(tmp_path, "auto", "auto", "auto"), "auto")
    assert workers.given[1] == "0"
