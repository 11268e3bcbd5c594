"""What is said of a mistake: the nearest real name, and one sentence for Hydra's own errors."""

import difflib
import re
from collections.abc import Sequence

from omegaconf import DictConfig

from arc_vae.configuration.keys import all_keys, dotted_keys, options_with


def did_you_mean(name: str, candidates: Sequence[str] | frozenset[str]) -> str:
    """'; did you mean X?' for the nearest candidate; for a dotted key the last part counts most."""
    last = name.rpartition(".")[2]
    found = difflib.get_close_matches(name, sorted(candidates), n=1, cutoff=0.6)
    if not found:
        by_last = {key.rpartition(".")[2]: key for key in sorted(candidates, reverse=True)}
        found = [by_last[key] for key in difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.6)]
    return f"; did you mean {found[0]}?" if found else ""


def no_such_key(key: str, cfg: DictConfig | None) -> str:
    """One sentence for a key that the composed configuration lacks: the option that has it, or the nearest key."""
    if options := options_with(key):
        return f"{key} is a key of {', '.join(options)} only; give {'one of these' if options[1:] else options[0]} too"
    near = did_you_mean(key, dotted_keys(cfg)) if cfg is not None else ""
    return f"{key} is not a key of this configuration{near or did_you_mean(key, all_keys())}"


def describe_hydra_error(error: Exception, cfg: DictConfig | None = None) -> str:
    """One sentence for what Hydra or OmegaConf said of a command line; `cfg` is composed without what is wrong."""
    text = str(error)
    if match := re.search(r"Could not (?:override|delete|append) '([^']+)'", text):
        key = match[1].split("@")[0].replace("/", ".")
        return no_such_key(key, cfg)
    if match := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':\s+(.*)", text, re.DOTALL):
        listed = match[3].partition("Config search path")[0]
        options = [line.strip() for line in listed.splitlines() if line.strip()]
        name = match[1].rpartition("/")[2]
        return f"{match[2]}={name} does not exist{did_you_mean(name, options)} (there are {', '.join(options)})"
    where = re.search(r"full_key: (\S+)", text)
    of = f"{where[1]}: " if where else ""
    if match := re.search(r"Environment variable '([^']*)' not found", text):
        return (
            f"{of}the environment variable {match[1]} is not set; export it, or give ${{oc.env:{match[1]},<default>}}"
        )
    if match := re.search(r"Interpolation key '([^']*)' not found", text):
        return f"{of}${{{match[1]}}} refers to no key{did_you_mean(match[1], all_keys())}"
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ and str(error.__cause__) else ""
    return " ".join(text.split()) + cause
