"""Checkpoints that change devices: begun on one and ended on the other, and judged on both.

Without a GPU both devices are the CPU.
"""

import shutil
import signal
import subprocess
from pathlib import Path

from gpu_parts.commands import finish, start
from gpu_parts.findings import Findings, read_json
from gpu_parts.resumption import build_corpus, disturb_all, log_of, settings
from gpu_parts.whole_runs import last_records

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
WAYS = {"GPU, then CPU": ({}, NO_GPU), "CPU, then GPU": (NO_GPU, {})}
JUDGED = ("pixel_accuracy", "object_accuracy", "perfect_rate", "elbo_nats", "sample_validity")
SMALLER = ("data.num_grids=20000", "training.precision=float32")


def measure(findings: Findings) -> None:
    """Both ways begin at once and are stopped in their second epoch, then end on the other device."""
    build_corpus(findings, *(() if findings.tiny else SMALLER[:1]))
    directories = {way: findings.folder / way.replace(", ", "_").replace(" ", "_") for way in WAYS}

    def begin(way: str, environment: dict[str, str]) -> subprocess.Popen:
        arguments = [*settings(findings), *(() if findings.tiny else SMALLER), f"hydra.run.dir={directories[way]}"]
        return start("train", arguments, findings.folder, log_of(directories[way]), at_once=len(WAYS), **environment)

    begun = {way: begin(way, environments[0]) for way, environments in WAYS.items()}
    stopped = disturb_all({way: (process, directories[way], signal.SIGTERM) for way, process in begun.items()})
    ended = {way: begin(way, environments[1]) for way, environments in WAYS.items()}
    for way, process in ended.items():
        finish(process, log_of(directories[way]))
        records = last_records(directories[way] / "metrics.jsonl")
        losses = [record["val/loss_total"] for record in records if "val/loss_total" in record]
        findings.row("trained on two devices", way=way, stopped_in_time=stopped[way], val_losses=rounded(losses))
    judge_on_both(findings, next(iter(directories.values())))


def judge_on_both(findings: Findings, run: Path) -> None:
    """The same best checkpoint, in two copies of its run, evaluated on each device; a row a figure."""
    copies, judging = {"cpu": run.with_name("judged_on_cpu"), "device": run.with_name("judged_on_device")}, []
    for place, copy in copies.items():
        shutil.copytree(run, copy)
        (copy / "metrics.json").unlink()
        arguments = [f"run={copy}", f"device={'cpu' if place == 'cpu' else findings.device}"]
        judging.append((start("evaluate", arguments, findings.folder, log_of(copy), at_once=2), log_of(copy)))
    for process, log in judging:
        finish(process, log)
    figures = {place: read_json(copy / "metrics.json") for place, copy in copies.items()}
    for name in JUDGED:
        there = {place: figures[place][name] for place in copies}
        difference = there["device"] - there["cpu"]
        findings.row("one checkpoint judged on both", figure=name, **there, difference=difference)


def rounded(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
