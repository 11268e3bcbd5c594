"""`evaluate`: the same corpus elsewhere, another corpus, another split; metrics.json is the own verdict's alone."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import TINY, run_command
from test_refusals import refusal

from arc_vae import evaluate
from arc_vae.corpus import load_corpus
from arc_vae.corpus.atomic.source import AtomicSource
from arc_vae.runs.evaluate_run import factors_told
from arc_vae.runs.other_corpus import free_file, held_out
from arc_vae.runs.run_directory import RunDirectory

NPZ = [word for word in TINY if not word.startswith(("data.", "training.max_epochs", "name="))]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run on an .npz of its own, and the file moved away since, as from a cluster to a laptop."""
    place = tmp_path_factory.mktemp("elsewhere")
    atomic = AtomicSource(num_grids=1280, directory=str(place / "datasets")).load()
    np.savez(place / "mine.npz", train=atomic.train, val=atomic.val, test=atomic.test)
    options = ("data=npz", "data.path=mine.npz", "training.max_epochs=1", "wandb.mode=disabled")
    run_command("train", *NPZ, *options, f"hydra.run.dir={place / 'run'}", cwd=place)
    (place / "moved").mkdir()
    (place / "mine.npz").rename(place / "moved" / "mine.npz")
    np.savez(place / "other.npz", train=atomic.test, val=atomic.val, test=atomic.train[:100])
    return place


@pytest.fixture
def run(place, tmp_path):
    return shutil.copytree(place / "run", tmp_path / "run")


def contents(run):
    return {file.relative_to(run): file.read_bytes() for file in run.rglob("*") if file.is_file()}


def test_the_same_corpus_elsewhere_gives_the_same_metrics(place, run):
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").unlink()
    gone = run_command("evaluate", f"run={run}", cwd=place, check=False)
    assert gone.returncode == 2 and "mine.npz does not exist" in gone.stderr and "data.path=<its place>" in gone.stderr
    factors = {"factors": {"mig": 0.5}}  # what `arc_vae.factors` added stays
    (run / "metrics.json").write_text(json.dumps({**factors, "best_epoch": metrics["best_epoch"]}))
    done = run_command("evaluate", f"run={run}", "data.path=moved/mine.npz", cwd=place)
    assert json.loads((run / "metrics.json").read_text()) == metrics | factors and "pixel_accuracy" in done.stdout


def test_factors_are_those_of_the_best_epoch(tmp_path):
    directory = RunDirectory(tmp_path)
    assert factors_told(directory, {"best_epoch": 3}) == {}
    for text in ("{", "[]", "{}", '{"factors": {}, "best_epoch": 2}', '{"best_epoch": 3}'):
        directory.metrics_file.write_text(text)
        assert factors_told(directory, {"best_epoch": 3}) == {}
    directory.metrics_file.write_text('{"factors": {"mig": 1}, "best_epoch": 3}')
    assert factors_told(directory, {"best_epoch": 3}) == {"factors": {"mig": 1}}


def test_another_corpus_in_its_place_is_refused_in_a_sentence(place, run):
    before = contents(run)
    done = run_command("evaluate", f"run={run}", "data.path=other.npz", cwd=place, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and contents(run) == before
    shas = [load_corpus(place / name).sha256[:12] for name in ("moved/mine.npz", "other.npz")]
    assert all(sha in done.stderr for sha in shas) and "data=" in done.stderr


def test_another_corpus_is_judged_beside_the_verdict(place, run):
    before = contents(run)
    done = run_command("evaluate", f"run={run}", "data=npz", "data.path=other.npz", cwd=place)
    after = contents(run)
    (new,) = set(after) - set(before)
    assert {name: after[name] for name in before} == before and str(new) == "evaluations/other.json"
    metrics, own = json.loads(after[new]), json.loads((run / "metrics.json").read_text())
    other = load_corpus(place / "other.npz")
    assert metrics["corpus"]["sha256"] == other.sha256 and metrics["corpus"]["split"] == "test"
    assert metrics["corpus"]["trained_on"] == own["corpus"]["sha256"]
    assert set(metrics) == set(own) - {"trained_too_little", "validation"}
    baseline = np.bincount(other.test.ravel()).max() / other.test.size
    assert metrics["baseline_accuracy"] == pytest.approx(baseline)
    assert f"test split of other.npz (sha256 {other.sha256[:12]}), not the corpus it was trained on" in done.stdout


def test_the_validation_split_is_judged_as_training_saw_it(place, run):
    """The pixel accuracy of `split=val` is the one that training logged at the best epoch."""
    options = (f"run={run}", "split=val", "data.path=moved/mine.npz")
    done = run_command("evaluate", *options, cwd=place)
    metrics = json.loads((run / "evaluations" / "mine_val.json").read_text())
    best = torch.load(run / "checkpoints" / "vae_best.pth", weights_only=True)
    assert metrics["pixel_accuracy"] == pytest.approx(best["pixel_accuracy"], abs=1e-6)
    assert "the val split of mine.npz" in done.stdout and "the corpus it was trained on" in done.stdout


def test_no_grid_of_the_validation_split_places_the_threshold_it_is_judged_by(place):
    corpus = load_corpus(place / "moved" / "mine.npz")
    seen = held_out(corpus, "val")
    assert np.array_equal(seen.test, corpus.val) and len(seen.train) + len(seen.val) == len(corpus.train)
    assert sorted(g.tobytes() for part in (seen.train, seen.val) for g in part) == sorted(
        g.tobytes() for g in corpus.train
    )
    assert held_out(corpus, "test") is corpus


def test_corpora_of_one_name_do_not_overwrite_each_other(place, tmp_path):
    one, other = load_corpus(place / "moved" / "mine.npz"), load_corpus(place / "other.npz")
    file = free_file(tmp_path, one, "test")
    file.write_text(json.dumps({"corpus": {"sha256": one.sha256}}))
    renamed = type(other)("mine.npz", other.train, other.val, other.test)
    assert file.name == "mine.json" and free_file(tmp_path, one, "test") == file
    assert free_file(tmp_path, renamed, "test").name == f"mine_{other.sha256[:12]}.json"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["split=train"], "split=train: must be val or test"),
        (["data=npz"], "data.path has no value; give one"),
        (["data=npz", "data.path=nowhere.npz"], "nowhere.npz does not exist"),
        (["data.directory=x"], "has no data.directory; leave it out"),
        (["data.pth=x"], "data.pth is not a key of this configuration; did you mean data.path?"),
    ],
)
def test_mistakes_are_refused(overrides, sentence, run, monkeypatch, capsys):
    before = contents(run)
    assert sentence in refusal(evaluate, [f"run={run}", *overrides], monkeypatch, capsys)
    assert contents(run) == before


def test_as_trained_is_no_corpus_to_train_on(tmp_path):
    done = run_command("train", *NPZ, "data=as_trained", cwd=tmp_path, check=False)
    assert (
        done.returncode == 2 and "is the corpus of a run, for evaluate" in done.stderr and not list(tmp_path.iterdir())
    )
