"""`python -m arc_vae.export`: what stands in for operations that ONNX lacks, and the files in ONNX Runtime."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import call_command
from operations.grids import rectangles, serpentine
from scipy import special

from arc_vae.common.errors import UserError
from arc_vae.corpus.corpus import Corpus
from arc_vae.exporting import onnx_files, stand_ins
from arc_vae.models import BetaVAE, ObjectSlotVAE
from arc_vae.models.object_slots.components import label_components
from arc_vae.models.object_slots.layers import cumulative_product
from arc_vae.models.object_slots.placement import _collisions
from arc_vae.runs.run_directory import RunDirectory

GRIDS = torch.from_numpy(rectangles(200, most=4))


def small(kind):
    torch.manual_seed(0)
    if kind is ObjectSlotVAE:
        model = ObjectSlotVAE(latent_dim=8, num_slots=3, hidden_dim=16, num_blocks=1)
        model.fit_prior(GRIDS)
    else:
        model = kind(latent_dim=8, encoder_channels=[10, 8, 8], decoder_channels=[8, 8, 10], hidden_dim=16)
    return model.eval()


def test_the_normal_distribution_to_its_last_digits():
    z = torch.linspace(-12, 9, 20_001, dtype=torch.float64)
    assert np.abs(stand_ins.cdf(z).numpy() - special.ndtr(z.numpy())).max() < 2e-15
    share = torch.cat([torch.rand(10_000, dtype=torch.float64), torch.tensor([1e-200, 1e-12, 0.5, 1 - 1e-12]).double()])
    wanted = special.ndtri(share.numpy())
    assert (np.abs(stand_ins.icdf(share).numpy() - wanted) <= 1e-13 * np.maximum(1, np.abs(wanted))).all()


def test_a_fixed_number_of_rounds_finds_the_longest_components():
    random = np.random.default_rng(0)
    noise = (random.random((200, 16, 16)) < 0.5) * random.integers(1, 3, (200, 16, 16))
    snakes = [np.rot90(image, turns) for image in (serpentine(), serpentine().T) for turns in range(4)]
    grids = torch.from_numpy(np.concatenate([noise.astype(np.uint8), np.stack(snakes)]))
    assert torch.equal(stand_ins.label_components(grids), label_components(grids))


def test_products_searches_and_collisions_are_the_originals():
    x = torch.rand(5, 4)
    assert torch.allclose(cumulative_product(x), x.cumprod(dim=1))
    assert cumulative_product((x > 0.3).long()).equal((x > 0.3).cumprod(dim=1))
    taken, shape = (torch.from_numpy(rectangles(40, seed=seed) > 0).float() for seed in (1, 2))
    assert torch.equal(stand_ins.collisions(taken, shape), _collisions(taken, shape))
    prior = small(ObjectSlotVAE).decoder.pose_codec.form_prior
    count, level = torch.randint(1, 4, (300,)), torch.rand(300, 3, dtype=torch.float64)
    assert torch.equal(stand_ins.form_icdf(prior, count, level), prior.icdf(count, level))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [BetaVAE])  # ObjectSlotVAE too by hand: a minute of CPU
def test_onnx_runtime_gives_what_torch_gives(kind, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model, corpus = small(kind), Corpus("rectangles", *[GRIDS.numpy()] * 3)
    monkeypatch.setattr(onnx_files, "restore", lambda run, device: (RunDirectory(run), model, corpus, False))
    said = call_command("export", f"run={tmp_path}", "num_grids=150", cwd=tmp_path).stdout
    told = json.loads((tmp_path / "onnx" / "export.json").read_text())
    assert told["decoder"]["same_cells"] >= 0.9999, said
    assert told["encoder"]["largest_difference_mu"] < 1e-3, said
    about = {entry.key: entry.value for entry in onnx.load(tmp_path / "onnx" / "decoder.onnx").metadata_props}
    assert json.loads(about["arc_vae.palette"])[0] == "#000000"
    assert json.loads(about["arc_vae.latent_layout"])["latent_dim"] == 8


@pytest.mark.parametrize("damage", [float("nan"), float("inf")])
def test_what_is_not_finite_is_no_agreement(damage, monkeypatch):
    class Session:
        def __init__(self, *_, **__):
            pass

        def get_outputs(self):
            return [SimpleNamespace(name="logits")]

        def run(self, _, given):
            return [np.full_like(given["z"], damage)]

    runtime = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    with pytest.raises(UserError, match="logits is not finite"):
        onnx_files.compared(torch.nn.Identity(), b"", torch.zeros(4, 8), "z")


@pytest.mark.slow
def test_what_cannot_be_exported_is_said():
    class Odd(torch.nn.Module):
        def forward(self, z):
            return z if z.sum() > 0 else -z  # which way depends on the numbers

    content = onnx_files.onnx_bytes(Odd(), torch.zeros(4, 8), "z", ["logits"], {})
    assert isinstance(content, str) and "\n" not in content and content


@pytest.mark.parametrize(
    ("given", "word"), [(("num_grids=0",), "num_grids=0: must be an integer of at least 1"), ((), "does not exist")]
)
def test_bad_input_is_refused(given, word, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_files.importlib.util, "find_spec", lambda name: object())  # the packages are there
    done = call_command("export", f"run={tmp_path}", *given, cwd=tmp_path, check=False)
    assert done.returncode == 2 and word in done.stderr and not list(tmp_path.iterdir())


def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_files.importlib.util, "find_spec", lambda name: None)
    done = call_command("export", f"run={tmp_path}", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "pip install -e '.[export]'" in done.stderr


def test_the_upright_image_is_the_originals():
    symmetries = small(ObjectSlotVAE).encoder.symmetries
    shapes = torch.from_numpy(rectangles(300, seed=5, most=1))
    assert torch.equal(stand_ins.canonical(symmetries, shapes), symmetries.canonical(shapes))
    assert stand_ins.canonical(symmetries, shapes).bincount(minlength=8).count_nonzero() > 1
