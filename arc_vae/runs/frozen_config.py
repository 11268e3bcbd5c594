"""The configuration that a run keeps of itself: `.hydra/config.yaml` of its directory. It never changes under a run;
only more epochs may be asked for, and the one before is kept then as `config.1.yaml`.
"""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import UserError, require
from arc_vae.common.files import write_text
from arc_vae.common.inside import inside
from arc_vae.configuration.foreign import open_foreign_config, read_foreign_yaml
from arc_vae.configuration.keys import default_choices
from arc_vae.configuration.paths import conf_dir
from arc_vae.runs.run_directory import RunDirectory

EPOCHS = "training.max_epochs"
OVERRIDE = "override "  # of Hydra's own groups
REMEDY = "checkpoints/vae_best.pth holds another copy, as `config`"


def load_frozen_config(directory: Path) -> DictConfig:
    """The configuration frozen in a run directory.

    Raises:
        UserError: there is none, it lacks what a run has, or it names a `_target_` that `conf/` does not.
    """
    file = directory / ".hydra" / "config.yaml"
    if not file.is_file():
        raise UserError(f"{file} does not exist; give the directory of a run, or of a sweep's job")
    cfg = open_foreign_config(read_foreign_yaml(inside(directory, file)), str(file))
    groups = [group for group, option in default_choices("config").items() if option and not group.startswith(OVERRIDE)]
    missing = [key for key in ("seed", "name") if key not in cfg]
    missing += [group for group in groups if not OmegaConf.is_dict(cfg.get(group))]
    if missing or not isinstance(cfg.training.get("max_epochs"), int):
        missing = missing or [EPOCHS]
        raise UserError(f"{file} is no configuration of a run: it lacks {', '.join(missing)}; it is damaged: {REMEDY}")
    return cfg


def lengthen(cfg: DictConfig, epochs: int) -> list[str]:
    """Have a frozen configuration train for so many epochs, what `conf/` derives from them with it.

    Returns the keys of what was derived.
    """
    before = cfg.training.max_epochs
    require(isinstance(epochs, int) and epochs >= before, EPOCHS, epochs, f"at least the {before} that the run has")
    derived = []
    for file in sorted(conf_dir().rglob("*.yaml")):
        group, stated = file.parent.name, OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        node = cfg.get(group)
        if not (
            isinstance(stated, dict) and OmegaConf.is_dict(node) and node.get("_target_") == stated.get("_target_")
        ):
            continue
        follow = [str(key) for key, value in stated.items() if value == "${" + EPOCHS + "}"]
        for key in [key for key in follow if epochs != before and node.get(key) == before]:
            node[key] = epochs
            derived.append(f"{group}.{key}")
    cfg.training.max_epochs = epochs
    return derived


def keep_longer_config(run: RunDirectory, cfg: DictConfig) -> None:
    """Freeze the configuration of a run that goes on for longer; of what it was, a copy stays beside each file."""
    number = 1
    while (run.path / ".hydra" / f"config.{number}.yaml").exists():
        number += 1
    # First the state: whatever happens between these lines, the run is one to go on with.
    run.set_state("preempted", f"goes on to {EPOCHS}={cfg.training.max_epochs}")
    config = run.path / ".hydra" / "config.yaml"
    write_text(config.with_name(f"config.{number}.yaml"), config.read_text(encoding="utf-8"))
    write_text(config, OmegaConf.to_yaml(cfg))
    if run.metrics_file.is_file():
        run.metrics_file.replace(run.path / f"metrics.{number}.json")
