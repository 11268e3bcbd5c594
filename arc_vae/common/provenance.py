"""What a result came from: versions of what computed it, and the state of the code."""

import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("arc_vae", "torch", "numpy", "scipy", "scikit-learn", "hydra-core", "omegaconf", "wandb", "matplotlib")

# Where this code and its `conf/` lie: a checkout, or a sweep's copy of one.
ROOT = Path(__file__).parents[2]

# What the checkout was when a copy of it was made; lies at the copy's root.
RECORDED_STATE = "git.json"


def versions() -> dict[str, str | None]:
    """Versions of Python and of the libraries that shape the figures; null where not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def git_state() -> dict[str, str | bool] | None:
    """Commit of the checkout this code comes from and whether it was changed since; null where there was none."""
    if (ROOT / RECORDED_STATE).is_file():
        return _recorded_state()
    try:
        commit = _git("rev-parse", "HEAD").decode().strip()
        tracked = _git("ls-files", "arc_vae/common/provenance.py")
        dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty} if tracked else None


def _recorded_state() -> dict[str, str | bool] | None:
    try:
        recorded = json.loads((ROOT / RECORDED_STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return recorded if isinstance(recorded, dict) else None


def git_diff() -> bytes:
    """What was changed since the commit, in tracked files, in whatever encoding they are; empty outside a checkout."""
    try:
        return _git("diff", "HEAD") if git_state() else b""
    except (OSError, subprocess.SubprocessError):
        return b""


def _git(*arguments: str) -> bytes:
    # Without locks: a job killed meanwhile would leave the checkout's index locked.
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, timeout=10, check=True).stdout
