"""Parts one after the other, each a process stopped at its limit with all that it started; the others go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from timing import machine

from gpu_parts import Part
from gpu_parts.findings import print_findings, read_json, write_json

LAST_WORDS = 2000
# Seconds between SIGTERM, on which a run saves itself, and SIGKILL.
GRACE = 2.0


def run_parts(parts: Sequence[Part], folder: Path, command: Sequence[str]) -> dict:
    """Run every part as `command NAME`; returns what gpu.json says. What one leaves of its time the next may use."""
    result = {"machine": machine(), "parts": {}}
    left_over = 0.0
    for part in parts:
        limit = part.seconds + left_over
        print(f"\n== {part.name}: at most {limit:.0f} s", flush=True)
        log = folder / part.name / "output.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        state = run_limited([*command, part.name], log, limit)
        seconds = time.perf_counter() - started
        left_over = max(0.0, limit - seconds)
        findings = read_json(folder / part.name / "findings.json")
        result["parts"][part.name] = {"state": state, "seconds": seconds, "limit": limit, **findings}
        write_json(folder / "gpu.json", result)
        print_findings(part.name, findings)
        if state == "failed":
            print(log.read_text(errors="replace")[-LAST_WORDS:])
        print(f"-- {part.name}: {state} after {seconds:.0f} s", flush=True)
    return result


def run_limited(command: Sequence[str], log: Path, limit: float) -> str:
    """How the command ended: "done", "failed", or "stopped" at its limit in seconds; its output goes to `log`."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return "done" if process.wait(limit) == 0 else "failed"
    except subprocess.TimeoutExpired:
        return "stopped"
    finally:
        end_session(process)


def end_session(process: subprocess.Popen) -> None:
    """End the process and everything it started: none may hold the card while the next part is timed."""
    signal_session(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while signal_session(process.pid, 0) and time.monotonic() < deadline:
        process.poll()
        time.sleep(0.02)
    signal_session(process.pid, signal.SIGKILL)
    process.wait()


def signal_session(group: int, number: int) -> bool:
    """Send a signal to a process group; whether any of it was alive."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def own_command(script: Path, *options: str) -> list[str]:
    """The command line of this interpreter for a script."""
    return [sys.executable, str(script), *options]
