"""Secrets that a command line would write into files of a run, where others read them."""

import re

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import UserError

# Not TOKENIZERS_PARALLELISM.
SECRET = re.compile("(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)S?(?![A-Z])", re.IGNORECASE)

# Of launchers: lines of shell that go before a job's command.
SETUPS = ("hydra.launcher.slurm_setup", "hydra.launcher.setup")


def refuse_secrets(config: DictConfig) -> None:
    """Refuse variables of `hydra.job.env_set`, and those that a launcher's set-up gives, that look like secrets by
    their names; no value is repeated.

    Raises:
        UserError: names the first, and how a job gets it instead.
    """
    given = [(f"hydra.job.env_set.{name}", str(name)) for name in config.hydra.job.env_set]
    for setup in SETUPS:
        for line in OmegaConf.select(config, setup) or ():
            given += [(f"{setup}: {name}", name) for name in re.findall(r"(\w+)=", str(line))]
    for where, name in given:
        if SECRET.search(name):
            raise UserError(
                f"{where} looks like a secret, and Hydra writes it into the run's files, which others "
                f"may read; export {name} in the shell: jobs inherit it"
            )
