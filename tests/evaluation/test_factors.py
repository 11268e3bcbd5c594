"""MIG, DCI and neighbours on codes whose answers are known, and the atomic corpus's factors."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import call_command

from arc_vae.corpus.atomic.scenes import generate
from arc_vae.evaluation import factors as told
from arc_vae.models.object_slots.components import count_components


@pytest.fixture(scope="module")
def independent():
    """Three factors of four, five and six values, (1200, 3), every combination alike often."""
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(5), np.arange(6), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.tile(grid, (10, 1))


def test_a_dimension_a_factor_is_a_gap_of_one(independent):
    codes = independent[:, [2, 0, 1]] * [1.0, -3.0, 0.1]
    shares = told.shared_information(codes, independent)
    assert np.allclose(np.sort(shares, axis=0), [[0, 0, 0], [0, 0, 0], [1, 1, 1]], atol=1e-9)
    assert told.mutual_information_gap(shares) == pytest.approx(1)
    importance, right, chance = told.read_off(codes, independent)
    both = told.disentanglement_and_completeness(importance)
    assert min(both) > 0.99 and (right == 1).all()
    assert (chance < [0.3, 0.25, 0.22]).all()


def test_a_factor_said_twice_leaves_no_gap(independent):
    codes = np.concatenate([independent, independent], axis=1).astype(float)
    assert told.mutual_information_gap(told.shared_information(codes, independent)) == pytest.approx(0)


def test_one_dimension_or_one_factor_has_figures_too(independent):
    shares = told.shared_information(independent[:, :1].astype(float), independent)
    assert told.mutual_information_gap(shares) == pytest.approx(shares.mean())
    assert told.disentanglement_and_completeness(np.ones((4, 1)))[0] == 1
    assert told.disentanglement_and_completeness(np.ones((1, 3)))[1] == 1


def test_noise_says_nothing(independent):
    noise = np.random.default_rng(0).normal(size=(len(independent), 4))
    _, right, chance = told.read_off(noise, independent)
    assert (np.abs(right - chance) < 0.1).all()
    assert told.shared_information(noise, independent).max() < 0.06


def test_concentration_in_closed_form():
    even = np.ones((4, 3)) / 4
    assert told.disentanglement_and_completeness(even) == pytest.approx((0, 0))
    assert told.disentanglement_and_completeness(np.eye(3)) == pytest.approx((1, 1))
    # Two dimensions share one factor, the other has its own: each dimension is of one factor alone.
    split = np.array([[0.5, 0], [0.5, 0], [0, 1.0]])
    assert told.disentanglement_and_completeness(split) == pytest.approx((1, 0.5 * (1 - np.log(2) / np.log(3)) + 0.5))


def test_a_factor_that_a_grid_lacks_is_left_out(independent):
    lacking = np.where(np.arange(len(independent))[:, None] % 2, independent, [-1, 1, 1])
    shares = told.shared_information(independent.astype(float), lacking)
    assert shares[0, 0] == pytest.approx(1)


def test_neighbours_of_a_label_are_alike():
    labels = np.repeat([0, 1], [30, 70])
    codes = np.random.default_rng(0).normal(size=(100, 2)) + labels[:, None] * 100.0
    share, chance = told.neighbours_alike(codes, labels)
    assert share == 1 and chance == pytest.approx((30 * 29 + 70 * 69) / (100 * 99))


def test_the_atomic_corpuss_factors_are_those_of_its_grids():
    grids, factors = told.atomic_factors("test", 500, seed=0)
    assert np.array_equal(grids, generate("test", 500, 0))
    names = told.factor_names()
    objects, first = factors[:, 0], {name: factors[:, names.index(f"{name}_1")] for name in told.OF_EACH}
    torch = pytest.importorskip("torch")
    # Objects of a colour that touch are one component.
    assert (count_components(torch.from_numpy(grids)).numpy() <= objects * 3 + 9).all()
    each = np.arange(500)
    assert (grids[each] == first["color"][:, None, None]).any(axis=(1, 2)).all()
    single = objects == 1
    cells = (grids > 0).sum(axis=(1, 2))
    assert np.array_equal(cells[single], first["size"][single])
    assert np.array_equal((grids > 0).any(axis=2).argmax(axis=1)[single], first["row"][single])
    assert np.array_equal((grids > 0).any(axis=1).argmax(axis=1)[single], first["column"][single])
    assert (factors[single][:, names.index("color_2")] == -1).all()
    assert (first["size"][~single] >= factors[~single][:, names.index("size_2")]).all()


def test_the_command_adds_factors_to_the_figures(tiny_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    before = json.loads((run / "metrics.json").read_text())
    said = call_command("factors", f"run={run}", "num_grids=500", "device=cpu", cwd=tmp_path).stdout
    after = json.loads((run / "metrics.json").read_text())
    assert {key: value for key, value in after.items() if key != "factors"} == before
    assert after["factors"]["grids"] == 500 and "ten nearest neighbours alike in objects" in said
    assert (run / "images" / "factors.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "word"), [(("num_grids=9",), "num_grids=9: must be an integer of at least 500"), ((), "does not exist")]
)
def test_bad_input_is_refused(given, word, tmp_path):
    done = call_command("factors", f"run={tmp_path}", *given, cwd=tmp_path, check=False)
    assert done.returncode == 2 and word in done.stderr and not list(tmp_path.iterdir())


def test_another_corpus_is_refused(tmp_path, monkeypatch):
    other = SimpleNamespace(source=SimpleNamespace(name="mine"))
    monkeypatch.setattr("arc_vae.runs.experiment.load_experiment", lambda *given: other)
    done = call_command("factors", f"run={tmp_path}", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "was trained on mine: factors are known of data=atomic alone" in done.stderr
