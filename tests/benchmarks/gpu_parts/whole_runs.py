"""An experiment whole through the real command: its seconds, its figures, its memory; how far it came if stopped."""

import json
import time
from pathlib import Path

from gpu_parts.commands import QUIET, TINY, memory_file, start
from gpu_parts.findings import Findings, read_json

# Bytes: the records of two epochs and more.
TAIL = 2**20

SHOWN = (
    "pixel_accuracy",
    "baseline_accuracy",
    "object_accuracy",
    "perfect_rate",
    "reconstruction_nats",
    "kl_nats",
    "active_dims",
    "sample_validity",
    "sample_c2st",
    "interpolation_validity",
    "epochs",
    "precision",
    "passed",
)


def default_run(findings: Findings) -> None:
    """README's first command."""
    run_whole(findings, [])


def object_slots(findings: Findings) -> None:
    """The object slots."""
    run_whole(findings, ["experiment=object_slots"])


def run_whole(findings: Findings, overrides: list[str]) -> None:
    """Train, judge and report; progress is noted every second."""
    run, log = findings.folder / "run", findings.folder / "run.log"
    started = time.perf_counter()
    settings = [*QUIET, f"hydra.run.dir={run}", *overrides, *(TINY if findings.tiny else ())]
    process = start("train", settings, findings.folder, log)
    while process.poll() is None:
        time.sleep(1)
        findings.figure("seconds_so_far", time.perf_counter() - started)
        note_progress(findings, run / "metrics.jsonl")
    findings.figure("seconds_whole", time.perf_counter() - started)
    if process.returncode:
        raise SystemExit(f"exit status {process.returncode}: {log.read_text()[-2000:]}")
    note_progress(findings, run / "metrics.jsonl")
    metrics = read_json(run / "metrics.json")
    findings.figure("seconds_training", metrics["seconds"])
    for name in SHOWN:
        findings.figure(name, metrics[name])
    for name, peak in read_json(memory_file(log)).items():
        findings.figure(name, peak)


def note_progress(findings: Findings, records: Path) -> None:
    """The last step that the records tell of, and steps a second between the last two validations."""
    whole = last_records(records)
    if whole:
        findings.figure("steps", whole[-1]["step"])
        findings.figure("epochs_so_far", whole[-1]["epoch"])
    validations = [record for record in whole if "val/loss_total" in record]
    if len(validations) >= 2:
        before, last = validations[-2:]
        rate = (last["step"] - before["step"]) / (last["time"] - before["time"])
        findings.figure("steps_per_second_last_epoch", rate)


def last_records(records: Path) -> list[dict]:
    """The whole lines among the last TAIL bytes of a metrics.jsonl that is being written; [] where there is none."""
    if not records.is_file():
        return []
    with records.open("rb") as file:
        cut = max(0, records.stat().st_size - TAIL)
        file.seek(cut)
        lines = file.read().split(b"\n")
    return [json.loads(line) for line in lines[cut > 0 : -1]]
