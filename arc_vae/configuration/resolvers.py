"""The one resolver that `conf/` needs: `${new_run_id:}`. Importing this module registers it."""

import secrets

from omegaconf import OmegaConf


def new_run_id() -> str:
    """Eight random hexadecimal digits."""
    return secrets.token_hex(4)


# Cached by each configuration: the same run asks twice and gets one id, two jobs of a sweep get two.
OmegaConf.register_new_resolver("new_run_id", new_run_id, use_cache=True, replace=True)
