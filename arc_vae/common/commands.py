"""Commands as they are printed: what is pasted does what was meant."""

import re
import shlex
from pathlib import Path

# Neither Hydra nor a shell gives any of these a meaning; without a slash, some words are no text to Hydra.
PLAIN = re.compile(
    r"[A-Za-z0-9_.+-]*/[A-Za-z0-9_./+-]*|(?!(?:null|true|false|nan|inf)$)[A-Za-z_.][A-Za-z0-9_.-]*", re.I
)


def override(key: str, value: str | Path) -> str:
    """`key=value`, quoted for Hydra and then for the shell where it must be."""
    text = str(value)
    if PLAIN.fullmatch(text):
        return f"{key}={text}"
    text = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + "\\${", text)
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text)
    return shlex.quote(f"{key}='{escaped}'")


def worker_command(job: Path) -> str:
    """What runs a sweep's job, or goes on with it."""
    return f"python -m arc_vae.sweeps.worker {shlex.quote(str(job))}"


def resume_command(run: Path) -> str:
    """What goes on with a run."""
    return f"python -m arc_vae.train {override('resume', run)}"


def sweep_command(sweep: Path) -> str:
    """What tells how a sweep's jobs fare; with `rerun=true` after it, what runs those that are undone."""
    return f"python -m arc_vae.sweep {override('dir', sweep)}"
