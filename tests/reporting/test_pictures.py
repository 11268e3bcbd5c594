"""Pictures show the grids they are given, pixel for pixel, and cost nothing before they are drawn."""

import subprocess
import sys

import numpy as np
import pytest

from arc_vae.common.grids import PALETTE
from arc_vae.reporting.contact_sheet import CELL, GAP, HEADER, MARGIN, TILE
from arc_vae.reporting.grid_figures import (
    draw_interpolations,
    draw_reconstructions,
    draw_samples,
    visualize_reconstructions,
)
from arc_vae.reporting.latent_space import draw_latent_space


def pixels_of(path):
    """The PNG as uint8 (height, width, 3)."""
    from matplotlib.image import imread

    return np.rint(imread(path)[..., :3] * 255).astype(np.uint8)


def grid_at(picture, x, y):
    """The 16×16 cells' colours, as palette entries, of the grid whose upper left pixel is (x, y)."""
    centres = np.arange(16) * CELL + CELL // 2
    colors = picture[np.ix_(y + centres, x + centres)]
    names = ["#" + bytes(color).hex().upper() for color in colors.reshape(-1, 3)]
    return np.array([PALETTE.index(name) for name in names], np.uint8).reshape(16, 16)


@pytest.fixture
def grids():
    return np.random.default_rng(0).integers(0, 10, (100, 16, 16), dtype=np.uint8)


def test_importing_pictures_imports_neither_matplotlib_nor_torch():
    code = (
        "import sys, arc_vae.reporting.grid_figures, arc_vae.reporting.latent_space, arc_vae.reporting.run_report\n"
        "assert not {'matplotlib', 'torch', 'sklearn', 'wandb'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_drawing_leaves_pyplot_alone(tmp_path):
    code = (
        "import sys, numpy as np; from pathlib import Path; from arc_vae.reporting.grid_figures import draw_samples\n"
        f"draw_samples(np.zeros((1, 16, 16), np.uint8), Path({str(tmp_path)!r}) / 'a.png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_samples_are_drawn_eight_a_row_in_the_palette(tmp_path, grids):
    path = tmp_path / "samples.png"
    draw_samples(grids, path)
    picture = pixels_of(path)
    for index in (0, 7, 8, 63):
        x, y = MARGIN + index % 8 * (TILE + GAP), HEADER + index // 8 * (TILE + GAP)
        np.testing.assert_array_equal(grid_at(picture, x, y), grids[index])
    assert [p.name for p in tmp_path.iterdir()] == ["samples.png"]


def test_reconstructions_stand_below_their_originals(tmp_path, grids):
    path = tmp_path / "reconstructions.png"
    draw_reconstructions(grids[:16], grids[16:32], path)
    picture = pixels_of(path)
    for index in (0, 9):
        x, y = MARGIN + index % 8 * (TILE + GAP), HEADER + index // 8 * (2 * TILE + 58)
        np.testing.assert_array_equal(grid_at(picture, x, y), grids[index])
        np.testing.assert_array_equal(grid_at(picture, x, y + TILE + 3), grids[16 + index])


def test_accuracies_stand_under_each_pair(grids):
    original = np.zeros((1, 16, 16), np.uint8)
    original[0, 0, :4] = 3
    reconstruction = original.copy()
    reconstruction[0, 0, 0] = 5
    from arc_vae.reporting.grid_figures import reconstruction_figure

    texts = [text.get_text() for text in reconstruction_figure(original, reconstruction).texts]
    assert texts[1:] == ["pixels 99.6%", "objects 75.0%"]
    blank = np.zeros((1, 16, 16), np.uint8)
    assert reconstruction_figure(blank, blank).texts[-1].get_text() == "no objects"


def test_each_path_is_a_row(tmp_path, grids):
    path = tmp_path / "interpolations.png"
    draw_interpolations(grids[:22].reshape(2, 11, 16, 16), path)
    picture = pixels_of(path)
    x, y = MARGIN + 10 * (TILE + GAP), HEADER + 18 + TILE + GAP
    np.testing.assert_array_equal(grid_at(picture, x, y), grids[21])


def test_the_same_grids_give_the_same_file(tmp_path, grids):
    draw_samples(grids, tmp_path / "a.png")
    draw_samples(grids, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_visualize_reconstructions_shows_the_posterior_means_grids(tmp_path, grids):
    torch = pytest.importorskip("torch")
    from arc_vae.models.beta_vae.model import BetaVAE

    torch.manual_seed(0)
    model = BetaVAE(latent_dim=2)
    batches = torch.from_numpy(grids).long().split(6)
    path = tmp_path / "pairs.png"
    figure = visualize_reconstructions(model, batches, num_pairs=8, path=path)
    assert len(figure.texts) == 1 + 2 * 8
    with torch.no_grad():
        expected = model.decode(model.encode(batches[1]).mu).argmax(dim=1)[1].numpy()
    picture = pixels_of(path)
    x = MARGIN + 7 * (TILE + GAP)
    np.testing.assert_array_equal(grid_at(picture, x, HEADER), grids[7])
    np.testing.assert_array_equal(grid_at(picture, x, HEADER + TILE + 3), expected)


@pytest.mark.parametrize(("count", "dimensions"), [(40, 5), (40, 1), (4, 2)])
def test_latent_space_is_drawn_twice(tmp_path, count, dimensions):
    rng = np.random.default_rng(0)
    mu = rng.normal(size=(count, dimensions))
    draw_latent_space(mu, rng.integers(0, 9, count), rng.integers(0, 10, count), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"latent_space_pca.png", "latent_space_tsne.png"}
    assert pixels_of(tmp_path / "latent_space_tsne.png").std() > 0
