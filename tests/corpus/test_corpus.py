"""What a corpus says of itself."""

import inspect

import numpy as np
import pytest

from arc_vae.corpus.arc import ArcSource
from arc_vae.corpus.atomic.source import AtomicSource
from arc_vae.corpus.corpus import Corpus, CorpusSource, grid_keys, split_sizes
from arc_vae.corpus.npz import NpzSource, load_corpus


def grids_with_corner(*colors):
    grids = np.zeros((len(colors), 16, 16), dtype=np.uint8)
    grids[:, 15, 15] = colors
    return grids


def test_shared_grids_counts_the_later_splits_grids():
    corpus = Corpus("x", grids_with_corner(1, 1, 2, 0), grids_with_corner(1, 1, 3), grids_with_corner(0, 3, 3, 4))
    assert corpus.shared_grids == {"train/val": 2, "train/test": 1, "val/test": 2}


def test_shared_grids_need_not_be_contiguous():
    wide = np.zeros((4, 16, 32), dtype=np.uint8)
    wide[:, 15, 15] = 1, 2, 3, 4
    corpus = Corpus("x", wide[:, :, :16], grids_with_corner(2, 9), grids_with_corner(4, 8))
    assert corpus.shared_grids == {"train/val": 1, "train/test": 1, "val/test": 0}


def test_shared_grids_agree_with_a_count_of_sets():
    """Few cells differ from grid to grid, so that many grids are shared and more are nearly so."""
    rng = np.random.default_rng(0)
    splits = [np.zeros((count, 256), dtype=np.uint8) for count in (5000, 300, 400)]
    for grids in splits:
        grids[np.arange(len(grids))[:, None], rng.integers(0, 256, (len(grids), 2))] = rng.integers(1, 3, (1, 2))
        grids[: len(grids) // 2, 100:] = 0
    train, val, test = (grids.reshape(-1, 16, 16) for grids in splits)
    keys = {"train": grid_keys(train), "val": grid_keys(val), "test": grid_keys(test)}
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    expected = {f"{a}/{b}": sum(key in set(keys[a]) for key in keys[b]) for a, b in pairs}
    assert min(expected.values()) > 50
    assert Corpus("x", train, val, test).shared_grids == expected


def test_shared_grids_compares_cells_where_hashes_agree(monkeypatch):
    monkeypatch.setattr("arc_vae.corpus.corpus._hashes", lambda grids: np.zeros(len(grids), np.uint64))
    corpus = Corpus("x", grids_with_corner(1, 1, 2, 0), grids_with_corner(1, 1, 3), grids_with_corner(0, 3, 3, 4))
    assert corpus.shared_grids == {"train/val": 2, "train/test": 1, "val/test": 2}


def test_sha256_is_of_the_grids_not_of_their_container(tmp_path):
    grids = {"train": grids_with_corner(1, 2, 3), "val": grids_with_corner(4), "test": grids_with_corner(5)}
    digest = Corpus("any name", **grids).sha256
    np.savez(tmp_path / "plain.npz", **grids)
    np.savez_compressed(
        tmp_path / "other.npz", **{key: grids[key].astype(np.int32) for key in ("test", "val", "train")}
    )
    fortran = Corpus("x", **{key: np.asfortranarray(array) for key, array in grids.items()})
    assert load_corpus(tmp_path / "plain.npz").sha256 == load_corpus(tmp_path / "other.npz").sha256 == digest
    assert fortran.sha256 == digest


def test_sha256_tells_where_a_split_ends():
    one, two, three = grids_with_corner(1), grids_with_corner(1, 1), grids_with_corner(1)
    assert Corpus("x", one, two, three).sha256 != Corpus("x", two, one, three).sha256


def test_background_share_and_sizes_are_of_the_splits():
    corpus = Corpus("x", grids_with_corner(1, 0), grids_with_corner(1), grids_with_corner(2))
    assert corpus.background_share == 511 / 512
    assert corpus.sizes == {"train": 2, "val": 1, "test": 1}
    assert corpus.describe().startswith("x: 2 train, 1 val, 1 test grids, 99.8% of train cells background")


@pytest.mark.parametrize("total", [10, 11, 19, 100, 100_007])
def test_split_sizes_add_up_to_the_total(total):
    sizes = split_sizes(total)
    assert sum(sizes.values()) == total
    assert sizes["val"] == sizes["test"] == total // 10 >= 1


@pytest.mark.parametrize("source", [AtomicSource(num_grids=10), NpzSource("x.npz"), ArcSource()])
def test_every_source_has_what_the_commands_use(source):
    assert isinstance(source.name, str) and source.augment is True
    for method in ("sizes", "load", "verify"):
        wanted = inspect.signature(getattr(CorpusSource, method)).return_annotation
        assert inspect.signature(getattr(type(source), method)).return_annotation == wanted
