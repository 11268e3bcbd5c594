"""What a result came from: versions of what computed it, and the state of the code."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("arc_vae", "torch", "numpy", "scipy", "scikit-learn", "hydra-core", "omegaconf", "wandb", "matplotlib")


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
    """Commit of the checkout this code runs from and whether it was changed since; null outside a checkout."""
    root = Path(__file__).parents[1]
    try:
        commit = _git(root, "rev-parse", "HEAD")
        tracked = _git(root, "ls-files", "arc_vae/provenance.py")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty} if tracked else None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
