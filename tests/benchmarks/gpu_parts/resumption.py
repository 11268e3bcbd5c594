"""Short runs of one seed: undisturbed, undisturbed again, stopped by SIGTERM, killed by SIGKILL. Same weights?

The second undisturbed run tells what the device itself repeats: where that differs, resuming cannot do better.
"""

import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from gpu_parts.commands import QUIET, SMALL_MODEL, TINY, finish, start
from gpu_parts.findings import Findings

SHORT = ("data.num_grids=40000", "training.max_epochs=3", "training.image_every=100")
DISTURBED = {"stopped by SIGTERM": signal.SIGTERM, "killed by SIGKILL": signal.SIGKILL}
WAYS = ("undisturbed", "undisturbed again", *DISTURBED)
# Seconds after the first epoch's checkpoint at which the signal comes: within the second epoch.
INTO_EPOCH = 0.3


def measure(findings: Findings) -> None:
    """All four at once, then the disturbed two go on; a row each."""
    build_corpus(findings)
    running = {way: run(findings, way) for way in WAYS}
    in_time = disturb_all({way: (*running[way], number) for way, number in DISTURBED.items()})
    for way, whether in in_time.items():
        findings.figure(f"{way} in time", whether)
    for way in DISTURBED:
        running[way] = run(findings, way)
    finals = {}
    for way, (process, directory) in running.items():
        finish(process, log_of(directory))
        finals[way] = torch.load(directory / "checkpoints" / "vae_final.pth", weights_only=True, map_location="cpu")
    for way in WAYS[1:]:
        findings.row("against the undisturbed run", run=way, **compared(finals[WAYS[0]], finals[way]))


def settings(findings: Findings) -> list[str]:
    """The overrides of all of them; precision and compilation as `auto` has them."""
    return [*QUIET, *SHORT, *((*TINY, *SMALL_MODEL) if findings.tiny else ())]


def build_corpus(findings: Findings, *overrides: str) -> None:
    """Once, before several runs want it."""
    log = findings.folder / "corpus.log"
    size = [override for override in [*settings(findings), *overrides] if override.startswith("data.")][-1]
    finish(start("build_corpus", [size], findings.folder, log), log)


def run(findings: Findings, way: str) -> tuple[subprocess.Popen, Path]:
    """Begin a run, or go on with it, and its directory."""
    directory = findings.folder / way.replace(" ", "_")
    arguments = [*settings(findings), f"hydra.run.dir={directory}"]
    return start("train", arguments, findings.folder, log_of(directory), at_once=len(WAYS)), directory


def log_of(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.log")


def disturb_all(runs: dict[str, tuple[subprocess.Popen, Path, int]]) -> dict[str, bool]:
    """`disturb` each run, by name, all at once: none may get ahead while another ends."""
    with ThreadPoolExecutor(len(runs)) as pool:
        return dict(zip(runs, pool.map(lambda run: disturb(*run), runs.values()), strict=True))


def disturb(process: subprocess.Popen, directory: Path, number: int) -> bool:
    """Send the signal within the second epoch; whether the run was still training then."""
    last, final = (directory / "checkpoints" / name for name in ("last.pth", "vae_final.pth"))
    while not last.exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(INTO_EPOCH)
    in_time = process.poll() is None and not final.exists()
    process.send_signal(number)
    process.wait()
    return in_time


def compared(whole: dict, other: dict) -> dict:
    """Whether weights and optimizer's state are the same to the bit, and by how much the weights differ at most."""
    weights = [(whole["model_state_dict"][name], value) for name, value in other["model_state_dict"].items()]
    moments = zip(tensors(whole["optimizer_state_dict"]), tensors(other["optimizer_state_dict"]), strict=True)
    return {
        "steps": other["step"],
        "weights_same": all(torch.equal(a, b) for a, b in weights),
        "optimizer_same": all(torch.equal(a, b) for a, b in moments),
        "largest_difference": max((a.double() - b.double()).abs().max().item() for a, b in weights),
    }


def tensors(state: object) -> list[torch.Tensor]:
    """All tensors within nested containers, in order."""
    if torch.is_tensor(state):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return [tensor for value in values for tensor in tensors(value)]
