"""What a user can get wrong, said in one sentence.

Commands print a `UserError` without a traceback and exit with status 2.
"""

USER_MISTAKE = 2
INTERRUPTED = 130  # the shell's own status for a process ended by Ctrl-C


class UserError(Exception):
    """One sentence: the file or key, the value found, the value wanted, the remedy."""


class InvalidValue(UserError, ValueError):
    """An argument outside its range. Commands put the config group before `name`."""

    def __init__(self, name: str, value: object, wanted: str):
        super().__init__(f"{name}={value}: must be {wanted}")


def require(condition: bool, name: str, value: object, wanted: str) -> None:
    """Raise `InvalidValue` unless `condition` holds: `require(d >= 1, "latent_dim", d, "at least 1")`."""
    if not condition:
        raise InvalidValue(name, value, wanted)
