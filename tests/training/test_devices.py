"""Which devices can be named, and what is said of those that this machine lacks; the machines are stand-ins."""

import pytest
import torch

from arc_vae.common.errors import InvalidValue, UserError
from arc_vae.evaluation.aggregate_posterior import aggregate_posterior_kl
from arc_vae.evaluation.reconstruction import reconstruct, reconstruction_metrics
from arc_vae.models import BetaVAE, ObjectSlotVAE, PaletteVAE
from arc_vae.models.float64 import refuse_without_float64
from arc_vae.training.device import resolve_device, resolve_precision
from arc_vae.training.state import set_rng_state


def stand_in(monkeypatch, gpus: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("name", "gpus", "mps", "device"),
    [
        ("auto", 0, False, "cpu"),
        ("auto", 2, False, "cuda"),
        ("auto", 0, True, "cpu"),
        ("cpu", 2, True, "cpu"),
        ("cuda", 1, False, "cuda"),
        ("cuda:1", 2, False, "cuda:1"),
        ("mps", 0, True, "mps"),
    ],
)
def test_a_name_is_its_device(monkeypatch, name, gpus, mps, device):
    stand_in(monkeypatch, gpus, mps)
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(
    ("name", "gpus", "sentence"),
    [
        ("cuda", 0, "device=cuda: must be auto or one that torch sees on this machine: cpu"),
        ("cuda:2", 2, "device=cuda:2: must be auto or one that torch sees on this machine: cpu, cuda, cuda:0, cuda:1"),
        ("mps", 1, "device=mps: must be auto or one that torch sees on this machine: cpu, cuda, cuda:0"),
        ("cuda:-1", 2, "device=cuda:-1: must be auto, cpu, cuda, cuda:N (a GPU's number, from 0) or mps"),
        ("gpu", 2, "device=gpu: must be auto, cpu, cuda, cuda:N (a GPU's number, from 0) or mps"),
        (1, 2, "device=1: must be auto, cpu, cuda, cuda:N (a GPU's number, from 0) or mps"),
    ],
)
def test_a_device_that_is_not_there_is_refused_naming_those_that_are(monkeypatch, name, gpus, sentence):
    stand_in(monkeypatch, gpus)
    with pytest.raises(InvalidValue) as error:
        resolve_device(name)
    assert str(error.value) == sentence


def test_float16_is_refused_where_it_is_not_supported(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    for device in ("cpu", "mps"):
        with pytest.raises(InvalidValue, match=f"precision=float16: must be auto, .* on the device {device}"):
            resolve_precision("float16", torch.device(device))
    assert resolve_precision("float16", torch.device("cuda:1")) == "float16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_fp16": True}, raising=False)
    assert resolve_precision("float16", torch.device("cpu")) == "float16"


def test_on_apples_gpus_auto_is_float32():
    assert resolve_precision("auto", torch.device("mps")) == "float32"


@pytest.mark.parametrize("model", [ObjectSlotVAE, PaletteVAE])
def test_models_that_compute_in_float64_are_refused_on_a_device_without(model):
    whole = model(latent_dim=8)
    for part in (whole, whole.encoder, whole.decoder):
        with pytest.raises(UserError, match=f"device=mps: must be cpu or cuda for {type(part).__name__}"):
            refuse_without_float64(part, torch.device("mps"))
        refuse_without_float64(part, torch.device("cuda"))
    refuse_without_float64(BetaVAE(), torch.device("mps"))


class WithoutFloat64(torch.utils._python_dispatch.TorchDispatchMode):
    """As a GPU that has no float64: refuses every operation that makes one."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        leaves = torch.utils._pytree.tree_leaves(result)
        assert not any(torch.is_tensor(leaf) and leaf.dtype is torch.float64 for leaf in leaves), function
        return result


def test_all_float64_of_a_judged_beta_vae_goes_through_in_float64(monkeypatch):
    """Where it is off, nothing is computed in float64: so on a device without, all of that happens on the CPU."""
    for module in ("reconstruction", "accuracies", "aggregate_posterior"):
        monkeypatch.setattr(f"arc_vae.evaluation.{module}.in_float64", lambda values: values.float())
    monkeypatch.setattr("arc_vae.evaluation.aggregate_posterior.EDGES", torch.linspace(-5, 5, 201))
    grids = torch.randint(10, (40, 16, 16), dtype=torch.uint8)
    with WithoutFloat64():
        result = reconstruct(BetaVAE(10, (10, 8, 8), (8, 8, 10), hidden_dim=16), grids)
        terms = reconstruction_metrics(result, grids)
        assert aggregate_posterior_kl(result.mu, result.logvar).shape == (10,)
    assert terms["pixel_accuracy"] <= 1


def test_random_numbers_of_more_gpus_than_there_are_here_are_left_out(monkeypatch):
    stand_in(monkeypatch, gpus=1)
    put = {}
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, number: put.update({number: state}))
    state = {"cpu": torch.get_rng_state(), "cuda": [torch.tensor([7]), torch.tensor([8])]}
    set_rng_state(state)
    assert put == {0: torch.tensor([7])}
