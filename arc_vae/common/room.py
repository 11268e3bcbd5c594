"""How much memory and disk there is, asked before either is taken."""

import os
import shutil
from pathlib import Path

from arc_vae.common.errors import UserError

CGROUPS = Path("/sys/fs/cgroup")


def machine_memory() -> int:
    """Bytes of memory that a process can have here: the machine's, or what its cgroup (a container, Slurm) allows."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").partition("0::/")[2].partition("\n")[0]
        for folder in (CGROUPS / own, *(CGROUPS / own).parents):
            limit = folder / "memory.max"
            if folder.is_relative_to(CGROUPS) and limit.is_file() and (text := limit.read_text().strip()).isdecimal():
                limits.append(int(text))
    except OSError:
        pass  # no Linux, or no cgroups: the machine's
    return min(limits)


def refuse_without_memory(key: str, value: object, needed_bytes: int) -> None:
    """Raise UserError where a key's value asks for more memory than this machine has."""
    if needed_bytes > (there := machine_memory()):
        raise UserError(
            f"{key}={value}: needs {gigabytes(needed_bytes)} of memory, and this machine gives {gigabytes(there)}; "
            "lower it"
        )


def refuse_without_disk(file: Path, needed_bytes: int) -> None:
    """Raise UserError where the disk that a file is to be written to has less room than it needs."""
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if needed_bytes > (there := shutil.disk_usage(folder).free):
        raise UserError(
            f"{file} needs {gigabytes(needed_bytes)} of disk, and there are {gigabytes(there)}; make room, or name "
            "another folder"
        )


def gigabytes(count: int) -> str:
    """Bytes as a user reads them."""
    return f"{count / 1e9:,.1f} GB"
