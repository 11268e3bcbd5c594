"""The user's own files: what is read, how it is split, and every fault's sentence."""

import hashlib
import zipfile

import numpy as np
import pytest

from arc_vae.common.errors import InvalidValue, UserError
from arc_vae.corpus import load_corpus
from arc_vae.corpus.npz import NpzSource

GOLDEN_SPLIT = "e57d8074818b37416fe7cd20d5d1a37486a5cbd25bac5abe9db8a848586401b3"


def numbered(count, start=0):
    """`count` grids that spell their own number in decimal digits, uint8 (count, 16, 16)."""
    grids = np.zeros((count, 16, 16), dtype=np.uint8)
    for place in range(4):
        grids[:, 0, place] = np.arange(start, start + count) // 10**place % 10
    return grids


def numbers(grids):
    return (grids[:, 0, :4] @ np.array([1, 10, 100, 1000])).tolist()


def save_splits(path, train, val, test):
    np.savez(path, train=train, val=val, test=test)
    return path


def test_a_file_of_splits_is_read_as_it_is(tmp_path):
    path = save_splits(tmp_path / "mine.npz", numbered(5), numbered(2, 5), numbered(1, 7))
    corpus = load_corpus(path)
    assert (corpus.name, numbers(corpus.train), numbers(corpus.val), numbers(corpus.test)) == (
        "mine.npz",
        [0, 1, 2, 3, 4],
        [5, 6],
        [7],
    )


@pytest.mark.parametrize("dtype", ["int64", ">i2", "int8"])
def test_any_integer_dtype_becomes_uint8(tmp_path, dtype):
    np.savez_compressed(tmp_path / "mine.npz", anything=numbered(10).astype(dtype))
    corpus = load_corpus(tmp_path / "mine.npz")
    assert corpus.train.dtype == np.uint8
    assert sorted(numbers(np.concatenate([corpus.train, corpus.val, corpus.test]))) == list(range(10))


def test_one_array_is_split_80_10_10_by_the_seed(tmp_path):
    np.savez(tmp_path / "mine.npz", grids=numbered(1004))
    corpus, again, other = (load_corpus(tmp_path / "mine.npz", seed) for seed in (0, 0, 1))
    assert corpus.sizes == {"train": 804, "val": 100, "test": 100}
    assert sorted(numbers(corpus.train) + numbers(corpus.val) + numbers(corpus.test)) == list(range(1004))
    assert corpus.sha256 == again.sha256 != other.sha256
    order = ",".join(map(str, numbers(corpus.train) + numbers(corpus.val) + numbers(corpus.test)))
    assert hashlib.sha256(order.encode()).hexdigest() == GOLDEN_SPLIT


def test_keys_beside_the_splits_are_named_and_ignored(tmp_path, caplog):
    """The specification's author keeps all grids once more under `images`."""
    splits = {"train": numbered(5), "val": numbered(2, 5), "test": numbered(1, 7)}
    np.savez(tmp_path / "mine.npz", images=numbered(9), labels=np.array([{"a": 1}], dtype=object), **splits)
    with caplog.at_level("INFO"):
        corpus = load_corpus(tmp_path / "mine.npz")
    assert numbers(corpus.train) == [0, 1, 2, 3, 4] and corpus.sizes == {"train": 5, "val": 2, "test": 1}
    assert "mine.npz: reading train, val, test; ignoring images, labels" in caplog.text


def test_the_one_array_of_grids_beside_others_is_split(tmp_path, caplog):
    grids = numbered(20)
    others = {"labels": np.arange(20), "masks": grids > 0, "soft": grids / 9, "names": np.array([None], dtype=object)}
    np.savez(tmp_path / "mine.npz", grids=grids, **others)
    np.savez(tmp_path / "bare.npz", images=grids)
    with caplog.at_level("INFO"):
        corpus = load_corpus(tmp_path / "mine.npz")
    assert "reading grids; ignoring labels, masks, soft, names" in caplog.text
    assert corpus.sizes == {"train": 16, "val": 2, "test": 2}
    assert corpus.sha256 == load_corpus(tmp_path / "bare.npz").sha256


def test_a_folder_of_split_files_is_joined_in_sorted_order(tmp_path):
    save_splits(tmp_path / "b.npz", numbered(2, 10), numbered(1, 12), numbered(1, 13))
    save_splits(tmp_path / "a.npz", numbered(2, 0), numbered(1, 2), numbered(1, 3))
    (tmp_path / "notes.txt").write_text("not a corpus")
    (tmp_path / "c.npz.0123.tmp").write_text("half written")
    corpus = load_corpus(tmp_path)
    assert corpus.name == tmp_path.name
    assert [numbers(grids) for grids in (corpus.train, corpus.val, corpus.test)] == [[0, 1, 10, 11], [2, 12], [3, 13]]


def test_a_folder_of_single_arrays_is_joined_and_then_split(tmp_path):
    for index in range(3):
        np.savez(tmp_path / f"{index}.npz", **{f"key{index}": numbered(7, 7 * index)})
    corpus = load_corpus(tmp_path)
    assert corpus.sizes == {"train": 17, "val": 2, "test": 2}
    assert sorted(numbers(corpus.train) + numbers(corpus.val) + numbers(corpus.test)) == list(range(21))


def test_a_folder_that_mixes_both_is_refused(tmp_path):
    save_splits(tmp_path / "a.npz", numbered(2), numbered(1), numbered(1))
    np.savez(tmp_path / "b.npz", grids=numbered(10))
    with pytest.raises(UserError, match=r"mixes .*\(a\.npz\) .*\(b\.npz\): keep one kind"):
        load_corpus(tmp_path)


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"nowhere does not exist: give an \.npz file or a folder"):
        load_corpus(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"holds no \.npz file"):
        load_corpus(tmp_path)


def with_value(value, index, dtype=np.int64):
    grids = numbered(12).astype(dtype)
    grids[index] = value
    return grids


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train": numbered(1), "val": numbered(1)}, r"has train, val but not test \(keys: train, val\): add test"),
        ({"train": numbered(12), "images": numbered(12)}, "has train but not val, test"),
        ({"a": numbered(12), "b": numbered(12), "n": np.arange(3)}, "has grids under a, b; it needs .* keep one"),
        ({"a": numbered(12).reshape(12, 256), "n": np.arange(3)}, "has the keys a, n; .*: rename or reshape them"),
        ({}, "has the keys none"),
        ({"grids": np.array([{"a": 1}], dtype=object)}, "key 'grids' cannot be read .*allow_pickle"),
        ({"grids": numbered(10).reshape(10, 256)}, r"key 'grids' has shape \(10, 256\); grids must be \(N, 16, 16\)"),
        ({"grids": numbered(10).astype(np.float32)}, "key 'grids' has dtype float32"),
        ({"grids": numbered(10).astype(bool)}, "key 'grids' has dtype bool"),
        ({"grids": numbered(10)[:0]}, "key 'grids' holds no grids"),
        ({"grids": with_value(10, (7, 3, 2))}, r"key 'grids' has the value 10 at index \(7, 3, 2\)"),
        ({"grids": with_value(-1, (11, 15, 15))}, r"has the value -1 at index \(11, 15, 15\)"),
        ({"grids": with_value(256, (0, 0, 5))}, r"has the value 256 at index \(0, 0, 5\)"),
        ({"train": numbered(1), "val": with_value(99, (3, 0, 0)), "test": numbered(1)}, "key 'val' has the value 99"),
        ({"grids": numbered(9)}, "holds 9 grids; a split 80/10/10 needs at least 10"),
    ],
)  # fmt: skip
def test_faults_name_the_file_the_key_and_the_value(tmp_path, arrays, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message) as refusal:
        load_corpus(path)
    assert str(path) in str(refusal.value)


def write_npy(path):
    with path.open("wb") as file:
        np.save(file, numbered(10))


def overwrite(path, position, content):
    with path.open("r+b") as file:
        file.seek(position)
        file.write(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "is not an .npz file"),
        (lambda path: path.write_text("train,val,test"), "is not an .npz file"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "is not an .npz file, or is cut short"),
        (lambda path: overwrite(path, 2000, b"\1"), "key 'grids' cannot be read .*CRC"),
        (write_npy, "is not an .npz file"),
        (lambda path: overwrite(path, 0, b"\0\0\0\0"), "is not an .npz file"),
        (lambda path: overwrite(path, 14, b"\0\0\0\0" * 8), "key 'grids' cannot be read"),
    ],
    ids=["empty", "text", "cut short", "flipped", "npy", "first bytes", "entry header"],
)
def test_what_is_no_sound_npz_is_refused(tmp_path, damage, message):
    path = tmp_path / "mine.npz"
    np.savez(path, grids=numbered(20))
    damage(path)
    with pytest.raises(UserError, match=message):
        load_corpus(path)


def test_a_zip_of_other_things_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match="key 'readme.txt' is not an array"):
        load_corpus(tmp_path / "mine.npz")


def test_the_source_reads_the_files_once(tmp_path):
    np.savez(tmp_path / "mine.npz", grids=numbered(20))
    source = NpzSource(str(tmp_path / "mine.npz"), seed=5, augment=False)
    assert (source.name, source.augment, source.sizes()) == ("mine.npz", False, {"train": 16, "val": 2, "test": 2})
    assert source.load() is source.verify()
    assert source.load().sha256 == load_corpus(tmp_path / "mine.npz", seed=5).sha256


@pytest.mark.parametrize("arguments", [{"path": ""}, {"path": "x", "seed": -1}, {"path": "x", "augment": 1}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(InvalidValue):
        NpzSource(**arguments)


def test_a_folder_within_a_folder_is_named_and_not_read(tmp_path, caplog):
    (tmp_path / "inner").mkdir()
    np.savez(tmp_path / "mine.npz", grids=numbered(10))
    np.savez(tmp_path / "inner" / "more.npz", grids=numbered(10))
    with caplog.at_level("WARNING"):
        assert sum(load_corpus(tmp_path).sizes.values()) == 10
    assert "only its own .npz files are read, none in inner" in caplog.text


def test_a_link_to_nothing_is_named(tmp_path):
    np.savez(tmp_path / "mine.npz", grids=numbered(10))
    (tmp_path / "gone.npz").symlink_to(tmp_path / "nowhere.npz")
    with pytest.raises(UserError, match=r"gone\.npz cannot be opened \(No such file"):
        load_corpus(tmp_path)


def test_grids_without_an_object_are_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", grids=np.zeros((20, 16, 16), np.uint8))
    with pytest.raises(UserError, match="every cell to train on is 0"):
        load_corpus(tmp_path / "mine.npz")
