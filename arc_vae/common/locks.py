"""A file that one process at a time keeps, and a look at who keeps it that takes nothing.

Two locks on one open file: `flock`, which keeps other processes out on every system, those of earlier versions too;
and, where the system has them, a record lock of the open file (OFD), since only that one can be asked about without
being taken, on a network's file system also from another machine. Both end with the process.
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import IO

from arc_vae.common.inside import refuse_special

# struct flock of 64-bit Linux: type, whence, start, length (0: all of it), process.
_RECORD = "hhqqi4x"
_CAN_ASK = hasattr(fcntl, "F_OFD_GETLK") and struct.calcsize("P") == 8

# What this process keeps, by the file's path.
_kept: dict[Path, IO[str]] = {}


def keep(path: Path) -> bool:
    """Keep the file, made where it does not exist, to this process until it ends or `release`s it.

    False where another process keeps it. Keeping it again changes nothing.

    Raises:
        UserError: a named pipe, or the like, stands there.
    """
    path = path.resolve()
    if path in _kept:
        return True
    refuse_special(path)
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _CAN_ASK:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _whole_file())
    except (BlockingIOError, PermissionError):
        file.close()
        return False
    except OSError:
        file.close()
        raise
    _kept[path] = file
    return True


def keeps(path: Path) -> bool:
    """Whether this process keeps the file."""
    return path.resolve() in _kept


def release(path: Path) -> None:
    """Let others keep the file."""
    if file := _kept.pop(path.resolve(), None):
        file.close()


def release_all() -> None:
    """Let others keep whatever this process keeps: a command has ended, if not its process."""
    while _kept:
        _kept.popitem()[1].close()


def is_kept(path: Path) -> bool | None:
    """Whether a live process keeps the file; takes no lock and writes nothing. None where that cannot be asked."""
    if keeps(path):
        return True
    if not _CAN_ASK or (path.exists() and not path.is_file()):
        return None
    try:
        with path.open("rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _whole_file())
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return struct.unpack(_RECORD, answer)[0] != fcntl.F_UNLCK


def _whole_file() -> bytes:
    return struct.pack(_RECORD, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
