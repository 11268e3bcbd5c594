"""What the documentation tells its reader to type, and whether a command composes as it is written."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

import arc_vae.configuration.resolvers  # noqa: F401  registers the run_id resolver
from arc_vae.configuration.paths import conf_dir
from arc_vae.configuration.validate import validate_config

CHECKOUT = Path(__file__).parents[1]
PAGES = sorted(path for pattern in ("*.md", "[!.]*/*.md") for path in CHECKOUT.glob(pattern))

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"python -m arc_vae\.(\w[^&;]*)")
PLACEHOLDER = re.compile(r"<[^<>]+>")
# Of Hydra's options, those that take a value and those that do not.
VALUED, FLAGS = {"--cfg", "--info", "--config-dir"}, {"-m", "--multirun", "--help", "--resolve"}


class Refusal(NamedTuple):
    """A command that a page shows with the sentence that refuses it."""

    command: str
    sentence: str


def fences(text: str, *languages: str) -> list[str]:
    """The contents of a page's blocks of code in these languages."""
    return [match[3] for match in FENCE.finditer(text) if match[2] in languages]


def spans(text: str) -> list[str]:
    """A page's `code` within lines, one that is broken over two lines as one."""
    prose = re.sub(r"\n(?=[^\n|#-])", " ", FENCE.sub("\n", text))
    return [span.replace("\\|", "|") for span in SPAN.findall(prose)]


def continued(text: str) -> list[str]:
    """The `code` of first cells in tables headed `python -m arc_vae.…`, with what the head says before `…`."""
    found: list[str] = []
    head = ""
    for line in FENCE.sub("\n", text).splitlines():
        cell = SPAN.findall(re.split(r"(?<!\\)\|", line)[1]) if line.startswith("|") else []
        if not line.startswith("|"):
            head = ""
        elif cell and re.fullmatch(r"python -m arc_vae\..*…", cell[0]):
            head = cell[0].removesuffix("…")
        elif head:
            found += [head + span.replace("\\|", "|") for span in cell]
    return found


def commands(text: str) -> list[str]:
    """What follows `python -m arc_vae.` in a page's blocks, tables and lines, refused ones left out; sorted."""
    lines = [line for block in fences(text, "", "bash") for line in block.replace("\\\n", " ").splitlines()]
    found = [match[1] for line in [*lines, *spans(text), *continued(text)] for match in COMMAND.finditer(line)]
    return sorted({" ".join(command.partition("  #")[0].split()) for command in found})


def refusals(text: str) -> list[Refusal]:
    """The commands of a page's console blocks that end in `error: …`."""
    pairs = [pair for block in fences(text, "console") for pair in zip(*[iter(block.splitlines())] * 2, strict=False)]
    return [Refusal(COMMAND.search(typed)[1], told) for typed, told in pairs if told.startswith("error: ")]


def own_files(text: str) -> dict[str, str]:
    """The YAML files that a page shows, by the path in a comment at their top."""
    named = ((re.search(r"^# (\S+\.yaml)$", block, re.MULTILINE), block) for block in fences(text, "yaml"))
    return {match[1]: block for match, block in named if match}


def words(command: str, **places: str) -> list[str]:
    """A command's words, each `<run dir>` as `places` says it (run_dir) or as a path; `[optional]` words bare."""
    filled = PLACEHOLDER.sub(lambda name: places.get(re.sub(r"\W", "_", name[0][1:-1]), "outputs/x"), command)
    filled = filled.replace("[data=…]", "data=npz data.path=x.npz").replace("=…", "=x.npz")
    bare = [re.sub(r"^\[(.*)\]$", r"\1", word) for word in shlex.split(filled)]
    return [re.sub(r"(=[^|\[{]*)\|.*", r"\1", word) for word in bare if word not in ("…", "overrides")]


def check(command: str, folder: Path = CHECKOUT) -> None:
    """Compose a command as it would be from `folder`, first and last job of a sweep, and hold it against `conf/`."""
    module, *given = words(command)
    assert find_spec(f"arc_vae.{module}"), f"there is no arc_vae.{module}"
    if module == "sweeps.worker":  # no Hydra application: it takes a directory alone
        assert len(given) == 1
        return
    options = [word for word in given if word.startswith("-")]
    assert set(options) <= VALUED | FLAGS, command
    values = {word: given[given.index(word) + 1] for word in options if word in VALUED}
    overrides = [word for word in given if word not in [*options, *values.values()]]
    if "--config-dir" in values:
        overrides.append(f"hydra.searchpath=[file://{folder / values['--config-dir']}]")
    jobs = sweep_jobs(overrides)
    assert len(jobs) == 1 or {"-m", "--multirun"} & set(options), f"a sweep without -m: {command}"
    for job in (jobs[0], jobs[-1]):
        config_name = "config" if module == "train" else module
        cfg = composed(config_name, job)
        validate_config(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]), config_name)


def sweep_jobs(overrides: list[str]) -> list[list[str]]:
    """Jobs that between them have every value of every override."""
    parsed = [OverridesParser.create().parse_override(word) for word in overrides]
    choices = [
        [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
        if one.is_sweep_override()
        else [one.input_line]
        for one in parsed
    ]
    count = max(map(len, choices), default=1)
    return [[values[min(number, len(values) - 1)] for values in choices] for number in range(count)]


def composed(config_name: str, overrides: list[str]) -> DictConfig:
    """The configuration with Hydra's own node."""
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return compose(config_name, overrides=overrides, return_hydra_config=True)
