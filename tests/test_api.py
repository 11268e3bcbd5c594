"""arc_vae in Python: arrays in and out, files of strangers, the process left as it was."""

import contextlib
import dataclasses
import doctest
import importlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from hydra.core.global_hydra import GlobalHydra
from operations.grids import rectangles

import arc_vae
from arc_vae import operations
from arc_vae.api import child_process
from arc_vae.api import networks as networks_module
from arc_vae.api.child_process import KEPT, Ended, run_module
from arc_vae.common.errors import InvalidValue, UserError
from arc_vae.common.grids import PALETTE
from arc_vae.common.torch_files import save_checkpoint
from arc_vae.generate_samples import generate_samples
from arc_vae.models import ObjectSlotVAE
from arc_vae.models.saved import load_module, save_module
from arc_vae.training import device
from arc_vae.training.process_kept import flushes_subnormals, process_kept

FILES = ("", "checkpoints", "checkpoints/vae_best.pth", "checkpoints/last.pth", "checkpoints/vae_epoch_2.pth")


@pytest.fixture(scope="module")
def model(tiny_run):
    return arc_vae.load(tiny_run, device="cpu")


@pytest.fixture(scope="module")
def grids() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 10, (6, 16, 16), dtype=np.uint8)


@pytest.fixture(scope="module")
def slots(tmp_path_factory):
    """An untrained model of object slots, in a checkpoint."""
    torch.manual_seed(0)
    model = ObjectSlotVAE(num_slots=3, hidden_dim=32, num_blocks=1)
    node = {"_target_": "arc_vae.models.ObjectSlotVAE", "num_slots": 3, "hidden_dim": 32, "num_blocks": 1}
    path = tmp_path_factory.mktemp("slots") / "vae_best.pth"
    save_checkpoint({"config": {"model": node}, "model_state_dict": model.state_dict()}, path)
    return arc_vae.load(path, device="cpu")


def in_new_process(code: str, *arguments: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The package


def test_importing_takes_no_time_and_no_torch():
    code = (
        "import sys, time; t = time.perf_counter(); import arc_vae; t = time.perf_counter() - t; "
        "assert not {'torch', 'numpy', 'hydra'} & set(sys.modules), 'heavy'; print(t)"
    )
    assert min(float(in_new_process(code)) for _ in range(5)) < 0.05


def test_names_are_found_and_unknown_ones_are_not():
    assert arc_vae.common.grids.PALETTE is PALETTE and arc_vae.__version__.count(".") == 2
    assert set(arc_vae.__all__) <= set(dir(arc_vae))
    assert all(getattr(arc_vae, name) for name in arc_vae.__all__)
    with pytest.raises(AttributeError, match="lod"):
        arc_vae.lod  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [
        *("training.checkpoints.load_part", "corpus.load_corpus", "models.reparameterize", "objective.get_beta"),
        *("generate_samples.generate_samples", "reporting.pictures.visualize_reconstructions", "grids.PALETTE"),
    ],
)
def test_the_specifications_names_stay_where_they_were(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(f"arc_vae.{module}"), attribute)


def test_no_submodule_hides_a_public_name():
    names = {path.stem for path in Path(arc_vae.__file__).parent.iterdir()}
    assert not names & set(arc_vae.__all__)


WHOLE_API = """
import importlib, os, pkgutil, signal, sys
import numpy as np, torch, wandb
import arc_vae
for module in pkgutil.walk_packages(arc_vae.__path__, "arc_vae."):
    importlib.import_module(module.name)
run_directory, *overrides = sys.argv[1:]
theirs = wandb.init(mode="offline", dir=".", project="theirs", settings=wandb.Settings(silent=True))
theirs.log({"a": 1})
torch.set_num_threads(2)
signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
environment = {**os.environ, "KMP_INIT_AT_FORK": "FALSE"}  # as joblib has it once imported
handlers = [signal.getsignal(s) for s in signals]

model = arc_vae.load(run_directory, device="cpu")
grids = model.sample(4, seed=1)
posterior = model.encode(grids)
assert (model.decode(posterior.mu) == model.reconstruct(grids)).all()
assert model.logits(posterior.mu).shape == (4, 10, 16, 16) and model.interpolate(grids, grids).shape == (4, 11, 16, 16)
arc_vae.plot(grids)
assert arc_vae.common.grids.PALETTE[0] == "#000000" and arc_vae.compose(["seed=3"]).seed == 3
done = arc_vae.run(overrides)
assert done.metrics["epochs"] == 1 and (done.directory / "report.html").is_file(), done
assert arc_vae.load(done.directory).latent_dim == 10
assert done.directory.name.endswith(torch.load(done.directory / "checkpoints" / "last.pth")["run_id"])

assert wandb.run is theirs and torch.get_num_threads() == 2
assert dict(os.environ) == environment, set(os.environ.items()) ^ set(environment.items())
assert [signal.getsignal(s) for s in signals] == handlers
theirs.log({"a": 2})
assert theirs.summary["a"] == 2, "its background process answers"
theirs.finish()
print(done.directory)
"""


def test_the_whole_api_works_after_importing_every_submodule_and_beside_a_run_of_wandb(tiny_run, tmp_path):
    settings = [word for word in TINY if "epochs" not in word]
    words = [*settings, "training.max_epochs=1", "beta_schedule.phase1_epochs=1", "name=child", "wandb.mode=offline"]
    output = in_new_process(WHOLE_API, tiny_run, *words, cwd=tmp_path)
    assert "epoch 1/1" in output and "run directory: " in output, "the child's log is shown"
    assert Path(output.splitlines()[-1]).parents[2] == tmp_path


EXAMPLES = {"arc_vae.api.functions": 6, "arc_vae.api.model": 6, "arc_vae.operations": 8}


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_run(module, tiny_run, model, slots, grids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"run_directory": tiny_run, "model": model, "grids": grids, "arc_vae": arc_vae}
    if module == "arc_vae.operations":
        given |= {"model": slots, "grids": rectangles(6, most=3)}
    given["overrides"] = [*TINY, f"hydra.run.dir={tiny_run}"]  # finished already: nothing is trained

    def silent(*arguments):
        with contextlib.redirect_stdout(io.StringIO()):
            return run_module(*arguments)

    monkeypatch.setattr(child_process, "run_module", silent)
    tested = importlib.import_module(module)
    results = doctest.testmod(tested, extraglobs=given)
    assert results.attempted >= EXAMPLES[module] and not results.failed
    if module == "arc_vae.api.functions":
        assert {path.name for path in tmp_path.iterdir()} == {"datasets", "grids.png", "samples.png"}


# Arrays


def test_codes_and_grids_are_those_of_the_bare_networks(model, grids, tiny_run):
    encoder, decoder = (load_module(tiny_run / "checkpoints" / f"{part}.pth") for part in ("encoder", "decoder"))
    with torch.no_grad():
        mu, logvar = encoder(torch.from_numpy(grids))
        logits = decoder(mu)
    posterior = model.encode(grids)
    np.testing.assert_allclose(posterior.mu, mu, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(posterior.logvar, logvar, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(posterior.sigma, np.exp(posterior.logvar / 2), rtol=1e-6)
    np.testing.assert_allclose(model.logits(posterior.mu), logits, rtol=1e-3, atol=1e-4)
    assert (model.decode(posterior.mu) == logits.argmax(dim=1).numpy()).all()
    assert (model.sample(20, seed=3) == generate_samples(decoder, 20, seed=3).numpy()).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint16", ">i4"])
def test_numpy_gives_numpy_and_torch_gives_torch_of_one_or_many(model, grids, dtype):
    many = grids.astype(dtype)
    for given in (many, many[0], many[::2, ::-1], many[:0]):
        batch = given.shape[:-2]
        posterior, again = model.encode(given), model.reconstruct(given)
        assert posterior.mu.shape == posterior.sigma.shape == (*batch, 10) and posterior.mu.dtype == np.float32
        assert isinstance(again, np.ndarray) and again.dtype == np.uint8 and again.shape == given.shape
        assert model.logits(posterior.mu.astype(np.float64)).shape == (*batch, 10, 16, 16)
        tensor = torch.from_numpy(np.ascontiguousarray(given, dtype=np.int16))
        in_torch = model.encode(tensor)
        assert isinstance(in_torch.sigma, torch.Tensor) and not in_torch.mu.requires_grad
        np.testing.assert_array_equal(in_torch.mu.numpy(), posterior.mu)
        assert torch.equal(model.decode(in_torch.mu), torch.from_numpy(again))


def test_lists_readonly_arrays_and_inputs_are_left_alone(model, grids, recwarn):
    readonly = grids.copy()
    readonly.flags.writeable = False
    assert (model.reconstruct(readonly) == model.reconstruct(grids.tolist())).all() and not recwarn.list
    codes = torch.randn(3, 10, requires_grad=True)
    assert not model.logits(codes).requires_grad and codes.grad is None


def test_large_inputs_go_in_portions(model, monkeypatch):
    grids = np.random.default_rng(1).integers(0, 10, (10, 16, 16))
    whole = model.encode(grids).mu
    seen = []
    encoder = model._networks.encoder
    monkeypatch.setattr(model._networks, "encoder", lambda part: seen.append(len(part)) or encoder(part))
    monkeypatch.setattr(networks_module, "PORTION", 4)
    np.testing.assert_allclose(model.encode(grids).mu, whole, rtol=1e-4, atol=1e-5)
    assert seen == [4, 4, 2]
    assert model.interpolate(grids, grids[::-1], steps=3).shape == (10, 4, 16, 16)


def test_sixteen_by_sixteen_floats_are_codes_where_d_is_16(tmp_path):
    from arc_vae.models import BetaVAE

    node = {"_target_": "arc_vae.models.BetaVAE", "latent_dim": 16}
    save_checkpoint(
        {"config": {"model": node}, "model_state_dict": BetaVAE(16).state_dict()}, tmp_path / "vae_best.pth"
    )
    model = arc_vae.load(tmp_path, device="cpu")
    assert model.interpolate(np.zeros((16, 16)), np.ones((16, 16)), steps=2).shape == (16, 3, 16)
    assert model.interpolate(np.zeros((16, 16), int), np.ones((16, 16), int), steps=2).shape == (3, 16, 16)


def test_samples_are_those_of_their_seed_and_new_without_one(model):
    torch.manual_seed(0)
    first = model._networks.grids  # decoded grids of an untrained model may be alike: look at the codes
    codes = []
    model._networks.grids = lambda z: codes.append(z) or first(z)
    try:
        for seed in (5, 5, None, None):
            model.sample(np.int64(3), seed=seed)
    finally:
        del model._networks.grids
    assert torch.equal(codes[0], codes[1]) and not torch.equal(codes[2], codes[3])


def test_paths_end_at_reconstructions_and_codes_give_codes(model, grids):
    way = model.interpolate(grids[0], grids[1], steps=4)
    assert (way[[0, -1]] == model.reconstruct(grids[:2])).all()
    start, end = torch.zeros(10), torch.ones(10)
    codes = model.interpolate(start, end, steps=4)
    assert torch.allclose(codes, torch.linspace(0, 1, 5)[:, None].expand(5, 10))
    with pytest.raises(InvalidValue, match=r"path=objects: must be one of this model's: straight$"):
        model.interpolate(start, end, path="objects")


def test_object_slots_have_a_path_of_their_own(slots, grids):
    ways = {path: slots.interpolate(grids[:2], grids[2:4], steps=4, path=path) for path in ("straight", "objects")}
    assert {way.shape for way in ways.values()} == {(2, 5, 16, 16)}
    codes = slots.encode(grids[:2]).mu, slots.encode(grids[2:4]).mu
    expected = slots.network.interpolation_paths(*map(torch.from_numpy, codes), 4)["objects"]
    np.testing.assert_allclose(slots.interpolate(*codes, steps=4, path="objects"), expected, rtol=1e-5)


WRONG = {
    r"grids.dtype=float32: must be an integer type": lambda m, g: m.encode(g.astype(np.float32)),
    r"grids.dtype=bool: must be an integer": lambda m, g: m.encode(g.astype(bool)),
    r"grids.shape=\(15, 16\): must be \(16, 16\) or \(N, 16, 16\)": lambda m, g: m.reconstruct(g[0, :15]),
    r"grids.shape=\(1, 6, 16, 16\): must be": lambda m, g: m.encode(g[None]),
    r"grids\[2, 3, 4\]=10: must be a colour 0-9": lambda m, g: m.encode(changed(g, (2, 3, 4), 10)),
    r"grids\[3, 4\]=-1: must be a colour": lambda m, g: m.encode(torch.from_numpy(changed(g, (0, 3, 4), -1)[0])),
    r"grids=a list of unequal rows": lambda m, g: m.encode([[1, 2], [3]]),
    r"grids=a str of dtype": lambda m, g: m.encode("grid.png"),
    r"grids=a NoneType of dtype object": lambda m, g: m.encode(None),
    r"z.dtype=uint8: must be a float type": lambda m, g: m.decode(g),
    r"z.shape=\(2, 9\): must be \(10,\) or \(N, 10\)": lambda m, g: m.logits(np.zeros((2, 9))),
    r"z\[1, 2\]=inf: must be a finite": lambda m, g: m.decode(changed(np.zeros((2, 10)), (1, 2), np.inf)),
    r"z=a posterior: .* give its mean, z.mu": lambda m, g: m.decode(m.encode(g)),
    r"b.shape=\(3, 16, 16\): must be that of a": lambda m, g: m.interpolate(g, g[:3]),
    r"b=an array of codes: must be of grids, as a is": lambda m, g: m.interpolate(g, m.encode(g).mu),
    r"steps=0: must be an integer of at least 1": lambda m, g: m.interpolate(g, g, steps=0),
    r"n=2.5: must be an integer": lambda m, g: m.sample(2.5),
    r"n=True: must be an integer": lambda m, g: m.sample(True),
    r"seed=-1: must be an integer of at least 0": lambda m, g: m.sample(1, seed=-1),
    r"grids=an array of 0: must be of 1 to 1,024 grids": lambda m, g: arc_vae.plot(g[:0]),
    r"path=x.pdf: must be a .png file": lambda m, g: arc_vae.plot(g, "x.pdf"),
}


def changed(values: np.ndarray, place: tuple, value: float) -> np.ndarray:
    values = values.astype(np.int64) if values.dtype.kind == "u" else values.copy()
    values[place] = value
    return values


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_value_is_refused_in_one_sentence(model, grids, message):
    with pytest.raises(InvalidValue, match=message) as error:
        WRONG[message](model, grids)
    assert "\n" not in str(error.value) and isinstance(error.value, ValueError)


# Operations, by a stand-in for the package


def test_operations_go_through_codes_and_grids_alike(slots):
    grids = rectangles(300, most=3)
    move = operations.translate(2, 0, of="smallest")
    z = slots.encode(grids).mu
    np.testing.assert_array_equal(slots.decode(slots.apply(move, z), apart=False), slots.apply(move, grids))
    assert "rotate_90()" in slots.operations
    np.testing.assert_array_equal(slots.apply("rotate_90()", grids[0]), slots.apply(operations.rotate_90(), grids[0]))
    for given, said in (("rotate_9()", "did you mean rotate_90()"), (None, "must be an operation"), (3, "operation=3")):
        with pytest.raises(InvalidValue, match="operation=") as refused:
            slots.apply(given, grids)
        assert said in str(refused.value)
    # All of a thousand rows are one call: a row is named by its number, and other grids are dealt out with them.
    with pytest.raises(operations.Refused, match="refused at index 299 of 300"):
        slots.apply(operations.translate(1, 0, of="color 9"), nines(300, but=299))
    both = operations.union(grids)
    assert slots.apply(both, grids).shape == grids.shape
    with pytest.raises(InvalidValue, match="other=300 grids: must be one grid, or one for each of the 5"):
        slots.apply(both, grids[:5])
    assert slots.apply(both, grids[:0]).shape == (0, 16, 16)


def nines(count: int, but: int) -> np.ndarray:
    """Grids with one cell of colour 9, but for one of them."""
    made = np.zeros((count, 16, 16), dtype=np.uint8)
    made[:, 3, 3] = np.where(np.arange(count) == but, 8, 9)
    return made


def test_objects_on_each_other_stay_so_where_that_is_asked_for(slots, monkeypatch):
    bias = slots.network.decoder.paint.bias
    monkeypatch.setattr(bias, "data", torch.full_like(bias, 9.0))  # every box is filled
    z = torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(slots.decode(z), slots.decode(z, apart=False))
    assert torch.equal(slots.logits(z, apart=False).argmax(dim=1), slots.decode(z, apart=False).long())
    half = arc_vae.Model(dataclasses.replace(slots._networks, module=slots.network.decoder))
    assert torch.equal(half.decode(z, apart=False), slots.decode(z, apart=False))


def test_threads_may_compose_at_once():
    with ThreadPoolExecutor(4) as pool:
        seeds = [pool.submit(arc_vae.compose, [f"seed={seed}"]) for seed in range(12)]
    assert [cfg.result().seed for cfg in seeds] == list(range(12))
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize("apart", ["no", None, 1])
def test_apart_is_true_or_false(slots, apart):
    for call in (slots.decode, slots.logits):
        with pytest.raises(InvalidValue, match="apart=.*True or False"):
            call(np.zeros(10), apart=apart)


def test_threads_may_call_at_once(model, grids):
    torch.set_default_dtype(torch.float64)
    drawn = []
    try:
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(model.encode, grids) for _ in range(40)]
            while not all(call.done() for call in calls):
                drawn.append(random.random())
        assert all(np.array_equal(call.result().mu, calls[0].result().mu) for call in calls)
        assert torch.get_default_dtype() == torch.float64
        assert len(set(drawn)) == len(drawn), "no state of the generator came back"
    finally:
        torch.set_default_dtype(torch.float32)


# Files


@pytest.mark.parametrize("name", FILES)
def test_a_model_is_found_by_its_run_its_folder_and_its_files(name, tiny_run, grids):
    model = arc_vae.load(str(tiny_run / name), device="cpu")
    assert model.latent_dim == 10 and model.reconstruct(grids).shape == grids.shape


def test_half_a_model_does_its_half_and_says_what_it_lacks(model, tiny_run, grids, tmp_path):
    encoder, decoder = (
        arc_vae.load(tiny_run / "checkpoints" / f"{p}.pth", device="cpu") for p in ("encoder", "decoder")
    )
    mu = encoder.encode(grids).mu
    np.testing.assert_allclose(mu, model.encode(grids).mu, rtol=1e-4, atol=1e-5)
    assert (decoder.decode(mu) == model.decode(mu)).all()
    for act in (lambda: encoder.decode(mu), lambda: decoder.encode(grids), lambda: decoder.interpolate(grids, grids)):
        with pytest.raises(UserError, match=r"\.pth holds no (en|de)coder; load the run directory"):
            act()
    for part in ("encoder", "decoder"):
        shutil.copy(tiny_run / "checkpoints" / f"{part}.pth", tmp_path)
    assert (arc_vae.load(tmp_path, device="cpu").reconstruct(grids) == model.reconstruct(grids)).all()


@pytest.fixture
def strangers(tiny_run, tmp_path):
    """Writes the tiny run's checkpoint with another `config.model`, and other changes of its config."""
    state = torch.load(tiny_run / "checkpoints" / "vae_best.pth", weights_only=True)

    def write(change: dict, **others: object) -> Path:
        config = {**state["config"], **others, "model": {**state["config"]["model"], **change}}
        save_checkpoint({**state, "config": config}, tmp_path / "vae_best.pth")
        return tmp_path / "vae_best.pth"

    return write


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_target_": "os.system", "command": "touch ran"}, "names _target_=os.system; only targets"),
        ({"_target_": "arc_vae.corpus.NpzCorpus", "path": "x"}, "only targets that conf/ names for that group"),
        ({"hidden_dim": {"_target_": "builtins.open", "file": "ran", "mode": "w"}}, "_target_=builtins.open"),
        ({"hidden_dim": "${oc.env:HOME}"}, r"its config says \$\{oc.env:HOME\}; only references"),
        ({"hidden_dim": "${${seed}:x}"}, "only references to other keys"),
        ({"hidden_dim": "${nowhere}"}, "cannot be resolved"),
        ({"hidden_dim": 127}, "does not hold the weights"),
        ({"hidden_dim": -5}, "model.hidden_dim=-5: must be at least 1"),
        ({"_target_": "mine.Model"}, "names _target_=mine.Model; only targets"),
        ({"_target_": 3}, "_target_=3"),
    ],
)
def test_nothing_in_a_strangers_checkpoint_runs(strangers, change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        arc_vae.load(strangers(change), device="cpu")
    assert "\n" not in str(error.value) and {path.name for path in tmp_path.iterdir()} == {"vae_best.pth"}


def test_a_reference_is_resolved_and_a_resolver_elsewhere_is_not(strangers):
    assert arc_vae.load(strangers({"latent_dim": "${width}"}, width=10), device="cpu").latent_dim == 10
    with pytest.raises(UserError, match="only references"):
        arc_vae.load(strangers({"latent_dim": "${width}"}, width="${oc.env:HOME}"), device="cpu")


def test_foreign_files_are_refused_in_a_sentence(tmp_path):
    (tmp_path / "text.pth").write_text("hello")
    save_checkpoint({"config": 3, "model_state_dict": {}}, tmp_path / "odd.pth")
    save_checkpoint({"class": "arc_vae.models.Decoder", "arguments": {"z": 1}, "state_dict": {}}, tmp_path / "part.pth")
    save_checkpoint({"class": "torch.nn.Linear", "arguments": {}, "state_dict": {}}, tmp_path / "class.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for path in ("text.pth", "odd.pth", "part.pth", "class.pth", "list.pth", "nowhere", ""):
        with pytest.raises(UserError, match=str(tmp_path / path)) as error:
            arc_vae.load(tmp_path / path)
        assert "\n" not in str(error.value)


MINE = """
import os
from os import system
import torch
from arc_vae.models import BetaVAE, Decoder

class Mine(BetaVAE):
    pass

class MyDecoder(Decoder):
    pass
"""


def test_classes_of_the_users_own_modules_are_built_where_they_trust_them(strangers, tmp_path, monkeypatch, grids):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    path = strangers({"_target_": "mine.Mine"})
    with pytest.raises(UserError, match="only targets that conf/ names"):
        arc_vae.load(path, trust=["min"])
    assert "mine" not in sys.modules
    model = arc_vae.load(path, device="cpu", trust=["mine"])
    assert type(model.network).__name__ == "Mine" and model.reconstruct(grids).shape == grids.shape
    for target in ("mine.system", "mine.os.system", "mine.BetaVAE", "mine.nothing"):
        with pytest.raises(UserError, match="no class that mine defines|cannot be imported"):
            arc_vae.load(strangers({"_target_": target}), trust=["mine"])
    save_module(sys.modules["mine"].MyDecoder(10, [128, 64, 32, 10], 128), tmp_path / "decoder.pth")
    assert arc_vae.load(tmp_path / "decoder.pth", device="cpu", trust=["mine"]).sample(2).shape == (2, 16, 16)
    with pytest.raises(UserError, match="mine.MyDecoder"):
        arc_vae.load(tmp_path / "decoder.pth")
    with pytest.raises(InvalidValue, match="trust=mine: must be a list"):
        arc_vae.load(path, trust="mine")
    sys.modules.pop("mine")


# The process


@pytest.mark.parametrize("flush", [False, True])
def test_no_call_changes_threads_rounding_defaults_or_random_numbers(tiny_run, grids, monkeypatch, flush):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "keep_freed_blocks", lambda: pytest.fail("what the allocator is told stays"))
    threads = torch.get_num_threads()
    torch.set_num_threads(7)
    torch.set_flush_denormal(flush)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    inside = []
    try:
        model = arc_vae.load(tiny_run, device="cpu")
        encoder = model._networks.encoder

        def meddling(part):
            inside.append(torch.get_num_threads())
            torch.set_flush_denormal(not flush)
            return encoder(part)

        model._networks.encoder = meddling
        codes = model.encode(grids).mu
        calls = [lambda: model.decode(codes), lambda: model.sample(2), lambda: model.interpolate(grids, grids, steps=1)]
        calls += [lambda: model.logits(codes), lambda: model.reconstruct(grids), lambda: arc_vae.plot(grids)]
        calls += [lambda: pytest.raises(InvalidValue, model.encode, codes), lambda: arc_vae.compose(["seed=1"])]
        for call in calls:
            call()
            assert torch.get_num_threads() == 7 and flushes_subnormals() == flush
            assert torch.get_default_dtype() == torch.float64 and torch.get_default_device().type == "meta"
            assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
            assert (np.random.get_state()[1] == states[2]).all() and torch.is_grad_enabled()
        assert codes.dtype == np.float32 and max(inside) <= (os.cpu_count() or 1)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def test_rounding_of_subnormals_is_told_as_torch_computes_and_put_back_after_an_error():
    assert not flushes_subnormals() and float(torch.tensor([1e-40]) * 1.0) != 0
    with pytest.raises(KeyError), process_kept():
        torch.set_flush_denormal(True)
        assert flushes_subnormals() and float(torch.tensor([1e-40]) * 1.0) == 0
        raise KeyError
    assert float(torch.tensor([1e-40]) * 1.0) != 0


def test_no_signal_is_held_and_no_call_exits(model, grids):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)]
    for wrong in (["modle=1"], ["model.latent_dim=-1"], ["loss=null"], ["-m", "seed=1,2"], "seed=1", ["seed=1,2"]):
        with pytest.raises(UserError) as error:
            arc_vae.run(wrong)
        assert "\n" not in str(error.value)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)]


def test_composing_leaves_a_users_own_hydra_application_as_it_was(tmp_path):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    (tmp_path / "own.yaml").write_text("a: 1")
    with initialize_config_dir(str(tmp_path), version_base="1.2"):
        before = GlobalHydra.instance().hydra
        cfg = arc_vae.compose(["experiment=object_slots", "seed=4"])
        assert GlobalHydra.instance().hydra is before and compose("own").a == 1
    assert cfg.seed == 4 and cfg.model._target_.endswith("ObjectSlotVAE") and "hydra" not in cfg
    assert cfg.run_id == cfg.run_id != arc_vae.compose().run_id


# The child process


def child(folder: Path, code: str, monkeypatch) -> Ended:
    (folder / "the_child.py").write_text(f"import os, signal, subprocess, sys, time\n{code}\n")
    monkeypatch.chdir(folder)
    return run_module("the_child", ["a b", "c"])


def test_a_childs_output_is_shown_and_its_end_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_SERVICE", "theirs")
    code = """
print(sys.argv[1:], sys.stderr.isatty(), os.environ.get("WANDB_SERVICE"))
subprocess.Popen(["sleep", "30"])  # keeps both channels open
print("no π" * 50_000, "last words", file=sys.stderr)
sys.exit(3)"""
    ended = child(tmp_path, code, monkeypatch)
    out, err = capsys.readouterr()
    assert ended.status == 3 and ended.errors.endswith("last words\n") and len(ended.errors) == KEPT
    assert out == "['a b', 'c'] False None\n" and err == "no π" * 50_000 + " last words\n"


def test_in_a_notebook_the_child_draws_its_bar(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    code = "from tqdm import tqdm\nfor _ in tqdm(range(3), disable=None): pass\nprint('x\\ny', file=sys.stderr)"
    assert child(tmp_path, code, monkeypatch).status == 0
    shown = capsys.readouterr().err
    assert "3/3" in shown and shown.endswith("x\ny\n")


def test_an_interruption_lets_the_child_save_and_is_raised_again(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def write(self, text):
            if "ready" in text:
                signal.raise_signal(signal.SIGINT)
            return super().write(text)

    code = """
def save(*_):
    open("saved", "w").write("x")
    sys.exit(130)
signal.signal(signal.SIGINT, save)
print("ready")
time.sleep(60)"""
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(KeyboardInterrupt):
        child(tmp_path, code, monkeypatch)
    assert (tmp_path / "saved").is_file()


def test_what_the_command_refuses_is_raised_with_its_own_sentence(tiny_workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_workplace)
    with pytest.raises(UserError, match=r"^training.batch_size=4096: must be at most the train split's 1024 grids"):
        arc_vae.run([*TINY, "training.batch_size=4096", f"hydra.run.dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("status", "errors", "told"),
    [
        (
            1,
            "Traceback (most recent call last):\n  File x\nRuntimeError: out of memory\n",
            "RuntimeError: out of memory",
        ),
        (-9, "", "it ended with status -9"),
    ],
)
def test_a_run_that_fails_raises_its_last_words(status, errors, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []
    ended = Ended(status, errors)
    monkeypatch.setattr(child_process, "run_module", lambda *arguments: calls.append(arguments) or ended)
    with pytest.raises(arc_vae.RunFailed, match=f"did not finish: {told}$") as error:
        arc_vae.run(["seed=3", "name=x"])
    assert error.value.directory is None
    ((module, words),) = calls
    assert module == "arc_vae.train" and words[:2] == ["seed=3", "name=x"]
    directory, run_id = (word.split("=", 1)[1].strip('"') for word in words[2:])
    assert directory.startswith("outputs/") and directory.endswith(f"_x_{run_id}")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "status.json").write_text('{"state": "preempted", "reason": "stopped by SIGTERM"}')
    with pytest.raises(arc_vae.RunFailed, match="did not finish: stopped by SIGTERM") as error:
        arc_vae.run([f"hydra.run.dir={tmp_path / 'there'}"])
    assert error.value.directory == tmp_path / "there" and calls[1][1][1].startswith("run_id=")


def test_changed_codes_keep_the_digits_that_tell_places(grids):
    """An exact operation's codes are float64; decoded, numpy's and torch's alike, they are the operation's grids."""
    torch.manual_seed(0)
    network = ObjectSlotVAE(latent_dim=6, num_slots=3, hidden_dim=16, num_blocks=1).eval()
    network.fit_prior(torch.from_numpy(grids))
    model = arc_vae.Model(networks_module.Networks(Path("slots"), 6, network, network.encode, network.decode))
    turn = arc_vae.operations.reflect()
    codes = model.apply(turn, np.asarray(model.encode(grids).mu, dtype=np.float64))
    assert codes.dtype == np.float64
    np.testing.assert_array_equal(model.decode(codes), model.decode(torch.from_numpy(codes)).numpy())
    drawn = network.decode(torch.from_numpy(codes)).argmax(dim=1).numpy()
    np.testing.assert_array_equal(model.decode(codes), drawn)
