import pytest
import torch

import arc_vae
from arc_vae.common.errors import UserError
from arc_vae.common.torch_files import save_checkpoint
from arc_vae.models import BetaVAE, Decoder, ObjectSlotVAE, PaletteVAE
from arc_vae.models.saved import load_module, refuse_strange_halves, save_module
from arc_vae.training.checkpoint_files import CheckpointWriter, mend_parts

SMALL = {"hidden_dim": 16, "latent_dim": 4}
MODELS = [BetaVAE(decoder_channels=(8, 8, 10), **SMALL), PaletteVAE(**SMALL), ObjectSlotVAE(num_slots=2, **SMALL)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_part_is_rebuilt_alone_from_its_file(model, tmp_path):
    model.eval()
    save_module(model.decoder, tmp_path / "decoder.pth")
    save_module(model.encoder, tmp_path / "encoder.pth")
    z, grids = torch.randn(2, 4), torch.randint(10, (2, 16, 16))
    assert torch.equal(load_module(tmp_path / "decoder.pth")(z), model.decoder(z))
    assert torch.equal(load_module(tmp_path / "encoder.pth")(grids).logvar, model.encoder(grids).logvar)


@pytest.mark.parametrize(
    "name", ["os.system", "torch.nn.Linear", "arc_vae.models.beta_vae.decoder.nn", "arc_vae.models_evil.X"]
)
def test_only_models_of_this_package_are_rebuilt(name, tmp_path):
    torch.save({"class": name, "arguments": {}, "state_dict": {}}, tmp_path / "decoder.pth")
    with pytest.raises(UserError, match=f"names the class {name}; only models of arc_vae.models"):
        load_module(tmp_path / "decoder.pth")


def test_code_in_a_pickle_is_not_run(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"class": Malicious(), "arguments": {}, "state_dict": {}}, tmp_path / "decoder.pth")
    with pytest.raises(UserError, match="is not an encoder.pth or decoder.pth of arc_vae"):
        load_module(tmp_path / "decoder.pth")
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_shape_are_refused(tmp_path):
    part = Decoder(latent_dim=4, channels=(8, 10), hidden_dim=8)
    state = {"class": "arc_vae.models.beta_vae.decoder.Decoder", "arguments": {**part.arguments, "hidden_dim": 9}}
    torch.save({**state, "state_dict": part.state_dict()}, tmp_path / "decoder.pth")
    with pytest.raises(UserError, match="decoder.pth does not hold the weights of the Decoder"):
        load_module(tmp_path / "decoder.pth")


@pytest.mark.parametrize("counts", [None, torch.zeros(3), torch.zeros(1, 99, 2), torch.zeros(1, 0, 2)])
def test_object_slots_that_say_nothing_sensible_of_their_number_are_refused(counts, tmp_path):
    save_module(MODELS[-1].decoder, tmp_path / "decoder.pth")
    state = torch.load(tmp_path / "decoder.pth", weights_only=True)
    state["state_dict"].pop("pose_codec.form_prior.counts")
    if counts is not None:
        state["state_dict"]["pose_codec.form_prior.counts"] = counts
    torch.save(state, tmp_path / "decoder.pth")
    with pytest.raises(UserError, match="decoder.pth does not hold the weights of the ObjectSlotDecoder"):
        load_module(tmp_path / "decoder.pth")


def test_what_a_file_lacks_is_named(tmp_path):
    torch.save({"class": "x"}, tmp_path / "decoder.pth")
    with pytest.raises(UserError, match="it lacks arguments, state_dict"):
        load_module(tmp_path / "decoder.pth")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    save_checkpoint({"a": 1}, tmp_path / "last.pth")

    def half(payload, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint({"a": 2}, tmp_path / "last.pth")
    assert torch.load(tmp_path / "last.pth", weights_only=True) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.pth"]


def written(directory, model, epoch: int) -> dict:
    state = {"epoch": epoch, "model_state_dict": model.state_dict()}
    CheckpointWriter(directory, every=10).save_epoch(state, model, improved=True)
    return state


def test_halves_of_different_epochs_are_refused_and_made_anew_of_the_best(tmp_path):
    """Killed between encoder.pth and decoder.pth of a new best."""
    model = MODELS[0]
    written(tmp_path, model, 1)
    refuse_strange_halves(tmp_path)
    old = (tmp_path / "decoder.pth").read_bytes()
    with torch.no_grad():
        next(model.decoder.parameters()).add_(1)
    written(tmp_path, model, 2)
    new = model.decoder(torch.zeros(1, 4))
    (tmp_path / "decoder.pth").write_bytes(old)
    with pytest.raises(UserError, match=r"encoder.pth is of epoch 2 .*decoder.pth of epoch 1"):
        refuse_strange_halves(tmp_path)
    with pytest.raises(UserError, match="a run was stopped between the two"):
        (tmp_path / "vae_best.pth").rename(tmp_path / "kept.pth")
        arc_vae.load(tmp_path)
    (tmp_path / "kept.pth").rename(tmp_path / "vae_best.pth")
    mend_parts(BetaVAE(decoder_channels=(8, 8, 10), **SMALL), tmp_path)
    refuse_strange_halves(tmp_path)
    assert torch.equal(load_module(tmp_path / "decoder.pth")(torch.zeros(1, 4)), new)


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_a_half_that_is_missing_or_torn_is_made_anew(damage, tmp_path):
    written(tmp_path, MODELS[0], 1)
    whole = (tmp_path / "encoder.pth").read_bytes()
    (tmp_path / "encoder.pth").unlink()
    if damage == "torn":
        (tmp_path / "encoder.pth").write_bytes(whole[:1000])
    mend_parts(MODELS[0], tmp_path)
    refuse_strange_halves(tmp_path)
    assert load_module(tmp_path / "encoder.pth").arguments == MODELS[0].encoder.arguments
