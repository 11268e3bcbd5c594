"""Calls in a process of their own, so that each has a peak of memory to itself. Linux only: reads /proc.

This file is also what that process runs, so it imports nothing that would count.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

MB = 2**20


def memory_mb(field: str, pid: int | str = "self") -> float:
    """VmRSS, VmHWM (the peak of VmRSS so far), RssAnon or RssFile of a process in MB; 0 where it has ended.

    Not getrusage's ru_maxrss: a new process inherits there the peak of the one that started it.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    kilobytes = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(next(kilobytes, 0)) / 1024


def in_fresh_process(call: str, **arguments: object) -> dict:
    """What `module:function` of this folder returns, a dict of plain values, with the process's "peak_mb" added."""
    command = [sys.executable, __file__, call, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Make the call that the command line names, print its result as JSON."""
    module, function = sys.argv[1].split(":")
    result = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    print(json.dumps({**result, "peak_mb": memory_mb("VmHWM")}), flush=True)
    # What the libraries tidy away at exit is no part of the measurement.
    os._exit(0)


if __name__ == "__main__":
    main()
