"""Old names and what they are called now, so that runs of earlier versions go on opening.

Files keep names of the code that wrote them: `_target_`s in configurations, classes in encoder.pth and decoder.pth,
keys of checkpoints and of their weights. They are renamed here, right after reading and before anything is compared.
Modules that a user types or a queued job has pickled still stand where they stood, as a line each.
"""

from typing import Any

from arc_vae.common.bounded import copy_bounded
from arc_vae.common.errors import UserError

# Format of the checkpoints written now; a file without one is of format 1.
FORMAT = 2

# `_target_` of configurations.
TARGETS = {
    "arc_vae.corpus.arc.ArcCorpus": "arc_vae.corpus.ArcSource",
    "arc_vae.corpus.atomic.AtomicCorpus": "arc_vae.corpus.AtomicSource",
    "arc_vae.corpus.npz.NpzCorpus": "arc_vae.corpus.NpzSource",
    "arc_vae.reporting.wandb_run.WandbRun": "arc_vae.tracking.WandbLogger",
    "arc_vae.training.lr_schedule.constant": "arc_vae.training.constant",
    "arc_vae.training.lr_schedule.cosine": "arc_vae.training.cosine",
    "arc_vae.training.muon.Muon": "arc_vae.training.Muon",
}

# Arguments that a class has had since, and what older runs did without them.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "arc_vae.training.Trainer": {"cuda_graph": "auto", "limit_batches": None, "overfit_steps": None},
    "arc_vae.training.Muon": {"block_rows": 128},
}

# `class` of encoder.pth and decoder.pth.
CLASSES = {
    "arc_vae.models.decoder.Decoder": "arc_vae.models.Decoder",
    "arc_vae.models.encoder.Encoder": "arc_vae.models.Encoder",
    "arc_vae.models.object_slots.ObjectSlotDecoder": "arc_vae.models.ObjectSlotDecoder",
    "arc_vae.models.object_slots.ObjectSlotEncoder": "arc_vae.models.ObjectSlotEncoder",
    "arc_vae.models.palette_vae.PaletteDecoder": "arc_vae.models.PaletteDecoder",
    "arc_vae.models.palette_vae.PaletteEncoder": "arc_vae.models.PaletteEncoder",
}

# Keys of a checkpoint.
CHECKPOINT_KEYS = {"begun": "epoch_progress"}

# Parts of a weight's name in a state dict.
WEIGHTS = {"stations.forms.": "pose_codec.form_prior."}


def upgrade_config(config: Any) -> Any:
    """Plain containers of a configuration with every old `_target_` under its name of today, and its arguments."""
    if isinstance(config, dict):
        upgraded = {key: upgrade_config(value) for key, value in config.items()}
        if isinstance(target := upgraded.get("_target_"), str):
            upgraded["_target_"] = target = TARGETS.get(target, target)
            upgraded = {**ARGUMENTS.get(target, {}), **upgraded}
        return upgraded
    return [upgrade_config(item) for item in config] if isinstance(config, list) else config


def upgrade_checkpoint(state: Any, where: str = "the checkpoint") -> Any:
    """What a .pth file holds, in the names of today; of any format up to FORMAT.

    Raises:
        UserError: a configuration or arguments larger than any that arc_vae writes; `where` names the file.
    """
    if not isinstance(state, dict):
        return state
    state = {CHECKPOINT_KEYS.get(key, key): value for key, value in state.items()}
    if isinstance(state.get("class"), str):
        state["class"] = CLASSES.get(state["class"], state["class"])
    if "config" in state:
        state["config"] = upgrade_config(copy_bounded(state["config"], f"{where}: its config"))
        if not isinstance(state["config"], dict):
            raise UserError(f"{where}: its config is a {type(state['config']).__name__}, no configuration")
    if "arguments" in state:
        state["arguments"] = copy_bounded(state["arguments"], f"{where}: its arguments")
    for key in ("model_state_dict", "state_dict"):
        if isinstance(state.get(key), dict):
            state[key] = {_upgrade_weight(name): weight for name, weight in state[key].items()}
    return state


def _upgrade_weight(name: Any) -> Any:
    for old, new in WEIGHTS.items():
        name = name.replace(old, new) if isinstance(name, str) else name
    return name
