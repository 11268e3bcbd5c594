"""Commands as they are printed: what is pasted does what was meant."""

import re
import shlex
from pathlib import Path

# Neither Hydra nor a shell gives any of these a meaning.
PLAIN = re.compile(r"[\w./+-]+")


def override(key: str, value: str | Path) -> str:
    """`key=value`, quoted for Hydra and then for the shell where it must be."""
    text = str(value)
    if PLAIN.fullmatch(text):
        return f"{key}={text}"
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text)
    return shlex.quote(f"{key}='{escaped}'")


def worker_command(job: Path) -> str:
    """What runs a sweep's job, or goes on with it."""
    return f"python -m arc_vae.sweeps.worker {shlex.quote(str(job))}"


def resume_command(run: Path) -> str:
    """What goes on with a run."""
    return f"python -m arc_vae.train {override('resume', run)}"
