"""What is said of a mistake: the nearest real name, and one sentence for Hydra's own errors."""

import difflib
import re
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.commands import override
from arc_vae.configuration.keys import all_keys, dotted_keys, options_with

HEADER = "`# @package _global_`"  # of a file that sets the keys of the whole configuration


def did_you_mean(name: str, candidates: Sequence[str] | frozenset[str]) -> str:
    """'; did you mean X?' for the nearest candidate; for a dotted key the last part counts most."""
    last = name.rpartition(".")[2]
    others = sorted(set(candidates) - {name})
    found = difflib.get_close_matches(name, others, n=1, cutoff=0.6)
    if not found:
        by_last = {key.rpartition(".")[2]: key for key in reversed(others)}
        found = [by_last[key] for key in difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.6)]
    return f"; did you mean {found[0]}?" if found else ""


def no_such_key(key: str, cfg: DictConfig | None) -> str:
    """One sentence for a key that the composed configuration lacks: the option that has it, or the nearest key."""
    group = key.partition(".")[0]
    options = options_with(key) if cfg is None or group in cfg else ()
    if options:
        return f"{key} is a key of {', '.join(options)} only; give {'one of these' if options[1:] else options[0]} too"
    return f"{key} is not a key of this configuration{_remedy(key, cfg)}"


def _remedy(key: str, cfg: DictConfig | None) -> str:
    """The nearest key of the composed configuration, else of another option of its groups; else what stands beside."""
    if cfg is None:
        return did_you_mean(key, all_keys())
    folder, _, last = key.rpartition(".")
    beside = OmegaConf.select(cfg, folder) if folder else None
    if isinstance(beside, DictConfig) and not beside:  # such as hydra.job.env_set
        return f"; add it with a +, as +{key}=…"
    # Of Hydra's own keys none is meant but by its name, and a key is not meant by its folder.
    composed = [own for own in dotted_keys(cfg) if own.startswith("hydra.") == key.startswith("hydra.")]
    elsewhere = [own for own in all_keys() if own.partition(".")[0] in cfg]
    names = [str(name) for name in beside if not str(name).startswith("_")] if isinstance(beside, DictConfig) else []
    if names and not difflib.get_close_matches(last, names, n=1, cutoff=0.6):
        moved = [own for own in (*composed, *elsewhere) if own.rpartition(".")[2] == last]
        return did_you_mean(key, moved) or f"; {folder} has {', '.join(names)}"
    for candidates in (composed, elsewhere):
        if near := did_you_mean(key, [own for own in candidates if not key.startswith(f"{own}.")]):
            return near
    return "; --help lists the keys"


def unparsable(word: str) -> str:
    """One sentence for an override that Hydra's grammar does not take."""
    key, equals, value = word.partition("=")
    if not equals:
        return f"{word or repr(word)}: must be key=value or group=option"
    return f"{word}: Hydra cannot read the value; text with such signs is quoted for Hydra too: {override(key, value)}"


def describe_hydra_error(error: Exception, cfg: DictConfig | None = None) -> str:
    """One sentence for what Hydra or OmegaConf said of a command line; `cfg` is composed without what is wrong."""
    text = str(error)
    if match := re.search(r"^In '([^']+)': Could not override '[^']+@", text):
        return f"{match[1]}.yaml must begin with the line {HEADER}: it overrides options of the whole configuration"
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
