"""Secrets that a command line would write into files of a run, where others read them."""

import re
from collections.abc import Iterable

from arc_vae.common.errors import UserError

SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)


def refuse_secrets(names: Iterable[str]) -> None:
    """Refuse variables of `hydra.job.env_set` that look like secrets by their names; no value is repeated.

    Raises:
        UserError: names the first, and how a job gets it instead.
    """
    for name in names:
        if SECRET.search(str(name)):
            raise UserError(
                f"hydra.job.env_set.{name} looks like a secret, and Hydra writes it into the run's files, which others "
                f"may read; export {name} in the shell: jobs inherit it"
            )
