"""Every fault of a command line at once, each in a sentence, where Hydra stops at the first."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_vae.common.errors import UserError
from arc_vae.configuration.paths import conf_dir
from arc_vae.configuration.suggest import describe_hydra_error, unparsable
from arc_vae.configuration.validate import config_faults
from arc_vae.configuration.yaml_faults import UNREADABLE

# Options of a group in one sweep that are tried; each costs a composition, a tenth of a second.
TRIED = 20


class CommandLine:
    """The overrides of a command, tried one after the other: one that will not do is named and left out."""

    def __init__(self, config_name: str, config_dir: str | None):
        search_path = create_config_search_path(str(conf_dir()))
        if config_dir:
            search_path.append(
                "command-line", f"file://{Path(config_dir).absolute()}", anchor=SearchPathQuery("main", None)
            )
        self.loader = ConfigLoaderImpl(search_path)
        self.config_name = config_name

    def faults(self, overrides: Sequence[str], multirun: bool) -> list[str]:
        """A sentence for each fault; none where Hydra is content with them all."""
        good: list[str] = []
        found: list[str] = []
        cfg = self.composed(good)
        for override in self._groups_first(overrides, found):
            if override.is_sweep_override() and not multirun:
                found.append(needs_multirun(override))
                continue
            for number, word in enumerate(self._words(override)):
                try:
                    composed = self.composed([*good, word])
                except UNREADABLE:
                    raise
                except (HydraException, OmegaConfBaseException, ValueError) as error:
                    found.append(self.describe(error, word, cfg))
                    continue
                if number == 0:
                    good, cfg = [*good, word], composed
        cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        # A key whose value could not be read has one.
        given = tuple(f"{word.partition('=')[0]} has no value" for word in overrides)
        lacking = [fault for fault in config_faults(cfg, self.config_name) if not fault.startswith(given)]
        return list(dict.fromkeys([*found, *lacking]))

    def composed(self, overrides: list[str]) -> DictConfig:
        return self.loader.load_configuration(self.config_name, overrides, RunMode.RUN)

    def describe(self, error: Exception, word: str, cfg: DictConfig) -> str:
        key, _, value = word.lstrip("+").partition("=")
        if word.startswith("+") and self.loader.get_group_options(key):
            return f"{word}: leave out the +; {key}={value} is meant"
        if isinstance(error, ValueError):
            return f"a config group takes the name of one of its options, not null or a number: {word}"
        return describe_hydra_error(error, cfg)

    def _words(self, override: Override) -> list[str]:
        """What an override stands for: of a sweep every option of a group, but one value of a key."""
        if not override.is_sweep_override() or not override.is_discrete_sweep():
            return [str(override.input_line)]
        words = [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
        return words[: TRIED if self.loader.get_group_options(override.key_or_group) else 1]

    def _groups_first(self, overrides: Sequence[str], found: list[str]) -> Iterator[Override]:
        """The overrides that can be parsed, choices of groups first: which keys there are hangs on them."""
        parser = OverridesParser.create(config_loader=self.loader)
        parsed: list[Override] = []
        for word in overrides:
            try:
                parsed += parser.parse_overrides([word])
            except HydraException:
                found.append(unparsable(word))
        return iter(sorted(parsed, key=lambda override: not self.loader.get_group_options(override.key_or_group)))


def needs_multirun(override: Override) -> str:
    """The sentence for several values of a key without -m."""
    key, _, values = str(override.input_line).partition("=")
    return f"{key}={values}: several values are a sweep's; add -m, or write one list: '{key}=[{values}]'"


def refuse_faults(config_name: str, overrides: Sequence[str], config_dir: str | None, multirun: bool) -> None:
    """Raise UserError with a line for each fault of the command line, if there is one."""
    faults = CommandLine(config_name, config_dir).faults(overrides, multirun)
    if faults:
        raise UserError("\n".join(faults))
