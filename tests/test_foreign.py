"""A file of another's making is data: nothing in it runs, it reads no environment, and a small one stays small."""

import re
import time

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from arc_vae.common.bounded import MAX_DEPTH, MAX_NODES
from arc_vae.common.errors import UserError
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration.foreign import open_foreign_config, read_foreign_yaml
from arc_vae.models import Decoder, ObjectSlotVAE
from arc_vae.models.saved import load_module, save_module
from arc_vae.runs.frozen_config import load_frozen_config

MODEL = {"_target_": "arc_vae.models.BetaVAE", "latent_dim": 4}

# What seemed harmless before it was resolved: the reference is made by putting texts together, or by a resolver.
ATTACKS = [
    {"model": "${oc.decode:'{_target_: joblib.load, filename: x}'}"},
    {"model": "${oc.create:{_target_: joblib.load}}"},
    {"model": {**MODEL, "latent_dim": "${oc.env:SECRET}"}},
    {"name": "$${empty}{oc.env:SECRET}", "empty": ""},
    {"name": "${open}oc.env:SECRET}", "open": "$" + "{"},
    {"name": "\\${oc.env:SECRET}"},
    {"name": "${oc.${env}:SECRET}", "env": "env"},
    {"name": "${${env}}", "env": "oc.env:SECRET"},
    {"${oc.env:SECRET}": 1},
    {"model": {"_target_": "${evil}"}, "evil": "joblib.load"},
    {"model": "${evil}", "evil": {"_target_": "joblib.load", "filename": "x"}},
    {"model": {**MODEL, "hidden_dim": "${evil}"}, "evil": {"_target_": "joblib.load"}},
    {"model": {"_target_": "joblib.load"}},
    {"model": {"_target_": "torch.optim.Adam"}},  # another group's
    {"model": {"_target_": ["joblib.load"]}},
    {"data": {"_target_": "arc_vae.corpus.npz.np.load", "file": "x"}},
    {"model": [{"a": {"_target_": "builtins.eval", "_args_": ["1"]}}]},
    {"run_id": "${new_run_id:x}"},
    {"name": "${new_run_id:}"},
]


@pytest.mark.parametrize("config", ATTACKS, ids=map(str, ATTACKS))
def test_nothing_but_plain_references_and_known_classes(config, monkeypatch):
    monkeypatch.setenv("SECRET", "value-of-the-readers-environment")
    with pytest.raises(UserError, match="only references|only targets|cannot be resolved") as error:
        open_foreign_config(config, "a.pth")
    assert "value-of-the-readers" not in str(error.value) and "\n" not in str(error.value)


def test_plain_references_are_resolved_as_omegaconf_resolves_them():
    config = {
        "a": {"b": 3, "c": "${.b}", "d": ["${a.b}", "x${a.c}y", "${..b}"], "e": {"f": "${..b}"}},
        "whole": "${a}",
        "entry": "${a.d.1}",
    }
    opened = open_foreign_config(config, "a.pth")
    wanted = OmegaConf.to_container(OmegaConf.create(config), resolve=True)
    assert OmegaConf.to_container(opened) == wanted


def test_what_hydra_leaves_in_a_runs_own_configuration_opens(tmp_path):
    groups = ["model", "loss", "beta_schedule", "optimizer", "data", "early_stopping", "criteria", "wandb"]
    text = "run_id: ${new_run_id:}\nseed: 0\nname: a\n" + "".join(f"{group}: {{}}\n" for group in groups)
    text += "training: {max_epochs: 7}\nlr_scheduler: {T_max: '${training.max_epochs}'}\n"
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(text)
    cfg = load_frozen_config(tmp_path)
    assert re.fullmatch("[0-9a-f]{8}", cfg.run_id) and cfg.lr_scheduler.T_max == 7
    for key in ("seed", "wandb", "optimizer"):
        (tmp_path / ".hydra" / "config.yaml").write_text(text.replace(f"{key}: ", "x: ", 1))
        with pytest.raises(UserError, match=f"config.yaml is no configuration of a run: it lacks {key}"):
            load_frozen_config(tmp_path)


def many_times_over(levels: int) -> object:
    """One list in another, nine times a level."""
    node: object = ["x"]
    for _ in range(levels):
        node = [node] * 9
    return node


def bomb_of_references(levels: int) -> dict:
    return {"k0": "boom", **{f"k{n}": [f"${{k{n - 1}}}"] * 9 for n in range(1, levels)}}


def bomb_of_texts(levels: int) -> dict:
    return {"k0": "boom", **{f"k{n}": f"${{k{n - 1}}}" * 9 for n in range(1, levels)}}


def nested(levels: int) -> object:
    node: object = "x"
    for _ in range(levels):
        node = [node]
    return node


CYCLE: list = []
CYCLE.append(CYCLE)
BOMBS = {
    "lists": {"a": many_times_over(20)},
    "references": bomb_of_references(20),
    "texts": bomb_of_texts(20),
    "itself": {"a": "${a}"},
    "each other": {"a": {"b": "${c}"}, "c": "${a}"},
    "deep": {"a": nested(MAX_DEPTH + 1)},
    "long": {"a": ["x"] * (MAX_NODES + 1)},
    "cycle": {"a": CYCLE},
    "other types": {"a": torch.zeros(3)},
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_configuration_stays_small(name, tmp_path):
    began = time.process_time()
    with pytest.raises(UserError, match="larger than any|holds a Tensor") as error:
        open_foreign_config(BOMBS[name], "a.pth")
    torch.save({"config": BOMBS[name]}, tmp_path / "vae_best.pth")
    if name not in ("references", "texts", "itself", "each other"):  # these are small until they are resolved
        with pytest.raises(UserError, match="vae_best.pth: its config"):
            load_checkpoint(tmp_path / "vae_best.pth", set(), "a checkpoint")
    assert "\n" not in str(error.value) and time.process_time() - began < 5


YAML_BOMBS = {
    "aliases": "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)),
    "deep": "a: " + "[" * 2000 + "]" * 2000,
    "long": "a: " + "1:" * 400_000 + "1",
    "many": "a: [" + "x," * 100_000 + "]",
    "large": "# " + "x" * 2_000_000,
    "tab": "a:\n\t- b",
    "bytes": b"\xff\xfe\x00a",
    "tag": "a: !!python/object/apply:os.system ['touch ran']",
    "merge": "a: &x {b: 1}\nc: {<<: *x}",
}


@pytest.mark.parametrize("name", YAML_BOMBS)
def test_a_small_yaml_stays_small(name, tmp_path):
    content = YAML_BOMBS[name]
    file = tmp_path / "config.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    began = time.process_time()
    with pytest.raises(UserError, match=re.escape(str(file))) as error:
        read_foreign_yaml(file)
    assert "\n" not in str(error.value) and time.process_time() - began < 5


def test_every_configuration_that_arc_vae_composes_is_well_within_the_bounds(tiny_run):
    plain = read_foreign_yaml(tiny_run / ".hydra" / "config.yaml")
    events = list(yaml.parse((tiny_run / ".hydra" / "config.yaml").read_text()))
    assert plain["name"] == "tiny" and len(events) < MAX_NODES / 20


@pytest.mark.parametrize(
    "arguments",
    [
        {"hidden_dim": 10**7},
        {"latent_dim": 10**8},
        {"channels": [128, 10**6, 10]},
        {"latent_dim": -1},
        {"nothing": 1},
        {"channels": "x"},
        {"latent_dim": None},
    ],
    ids=str,
)
def test_a_small_part_asks_for_little_memory(arguments, tmp_path):
    part = Decoder(latent_dim=4, channels=(8, 10), hidden_dim=8)
    save_module(part, tmp_path / "decoder.pth")
    state = torch.load(tmp_path / "decoder.pth", weights_only=True)
    torch.save({**state, "arguments": {**state["arguments"], **arguments}}, tmp_path / "decoder.pth")
    before = resident()
    with pytest.raises(UserError, match="decoder.pth") as error:
        load_module(tmp_path / "decoder.pth")
    assert "\n" not in str(error.value) and resident() - before < 100


def test_weights_that_are_one_number_seen_many_times_are_refused(tmp_path):
    part = ObjectSlotVAE(latent_dim=4, num_slots=2, hidden_dim=8).decoder
    save_module(part, tmp_path / "decoder.pth")
    state = torch.load(tmp_path / "decoder.pth", weights_only=True)
    name = next(iter(state["state_dict"]))
    state["state_dict"][name] = torch.zeros(1).expand(10**6, 10**6)
    torch.save(state, tmp_path / "decoder.pth")
    with pytest.raises(UserError, match="names weights larger than it holds"):
        load_module(tmp_path / "decoder.pth")


def resident() -> float:
    """MiB of memory that this process has had at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
