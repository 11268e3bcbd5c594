"""What a user can get wrong, said in one sentence.

Commands print a `UserError` without a traceback and exit with status 2.
"""

import errno
import os

JOB_FAILED = 1
USER_MISTAKE = 2
INTERRUPTED = 130  # the shell's own status for a process ended by Ctrl-C


# What a disk refuses: full, over a quota or a limit, read-only, not ours, vanished, broken.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CLOSED = {
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    *(errno.EEXIST, errno.ELOOP),
}
OCCUPIED = {errno.EEXIST, errno.ENOTDIR}
BROKEN = {errno.EIO, errno.ESTALE}


class UserError(Exception):
    """One sentence: the file or key, the value found, the value wanted, the remedy."""


class JobFailed(Exception):
    """A job of a sweep did not finish, in one sentence; the sweep ends with status 1."""


class InvalidValue(UserError, ValueError):
    """An argument outside its range. Commands put the config group before `name`."""

    def __init__(self, name: str, value: object, wanted: str):
        super().__init__(f"{name}={value}: must be {wanted}")


def require(condition: bool, name: str, value: object, wanted: str) -> None:
    """Raise `InvalidValue` unless `condition` holds: `require(d >= 1, "latent_dim", d, "at least 1")`."""
    if not condition:
        raise InvalidValue(name, value, wanted)


def disk_error(error: BaseException, where: object, needed_bytes: int = 0) -> UserError | None:
    """What a disk has refused, in one sentence; None where that is not what went wrong.

    Args:
        where: the file or folder in question, where the error does not name one.
        needed_bytes: how much room is needed, as far as that is known.
    """
    if not isinstance(error, OSError) or error.errno not in FULL | CLOSED | BROKEN:
        return None
    room = f": {needed_bytes / 1e6:.0f} MB are needed" if needed_bytes else ""
    remedy = "make room" if error.errno in FULL else "see that it can be written"
    if error.errno in OCCUPIED:
        remedy = "a file stands where a folder is wanted: give another place"
    return UserError(f"{error.filename or where}: {os.strerror(error.errno)}{room}; {remedy}")
