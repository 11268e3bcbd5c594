"""What is said of a mistake: the nearest real name, and one sentence for Hydra's own errors."""

import difflib
import re
from collections.abc import Sequence

from arc_vae.configuration.keys import all_keys


def did_you_mean(name: str, candidates: Sequence[str] | frozenset[str]) -> str:
    """'; did you mean X?' for the nearest candidate; for a dotted key the last part counts most."""
    last = name.rpartition(".")[2]
    found = difflib.get_close_matches(name, sorted(candidates), n=1, cutoff=0.6)
    if not found:
        by_last = {key.rpartition(".")[2]: key for key in sorted(candidates, reverse=True)}
        found = [by_last[key] for key in difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.6)]
    return f"; did you mean {found[0]}?" if found else ""


def describe_hydra_error(error: Exception) -> str:
    """One sentence for what Hydra or OmegaConf said of a wrong command line."""
    text = str(error)
    if match := re.search(r"Could not (?:override|delete|append) '([^']+)'", text):
        key = match[1].split("@")[0].replace("/", ".")
        return f"{key} is not a key of this configuration{did_you_mean(key, all_keys())}"
    if match := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':\s+(.*)", text, re.DOTALL):
        listed = match[3].partition("Config search path")[0]
        options = [line.strip() for line in listed.splitlines() if line.strip()]
        name = match[1].rpartition("/")[2]
        return f"{match[2]}={name} does not exist{did_you_mean(name, options)} (there are {', '.join(options)})"
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ and str(error.__cause__) else ""
    return " ".join(text.split()) + cause
