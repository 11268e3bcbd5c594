"""The atomic corpus file: the same grids always, whole or not there, damage named."""

import subprocess
import sys

import numpy as np
import pytest

from arc_vae.common.errors import InvalidValue, UserError
from arc_vae.corpus import load_corpus
from arc_vae.corpus.atomic.source import AtomicSource

GOLDEN = "e77d6556f7c362a1cb2da3c8bc82f50f094e0d675acf75b69a43fa15eb4a28da"


@pytest.fixture
def source(tmp_path):
    return AtomicSource(num_grids=100, directory=str(tmp_path / "datasets"))


def rewrite(source, **changes):
    with np.load(source.path) as archive:
        grids = dict(archive)
    np.savez(source.path, **(grids | changes))


def test_the_corpus_is_the_recorded_one(tmp_path):
    """On a wanted change of the generator: raise GENERATOR_VERSION, then record the new digest here."""
    corpus = AtomicSource(num_grids=1000, directory=str(tmp_path)).load()
    assert corpus.sizes == {"train": 800, "val": 100, "test": 100}
    assert corpus.sha256 == GOLDEN
    assert [path.name for path in tmp_path.iterdir()] == ["atomic_n1000_s0_v1.npz"]


def test_the_second_load_reads_the_file(source, monkeypatch):
    built = source.load()
    monkeypatch.setattr("arc_vae.corpus.atomic.source.generate", lambda *_: pytest.fail("generated again"))
    assert source.load().sha256 == built.sha256


def test_the_file_is_a_corpus_for_data_npz(source):
    assert source.load().sha256 == load_corpus(source.path).sha256


def test_sizes_need_no_grids(tmp_path):
    source = AtomicSource(num_grids=1015, directory=str(tmp_path))
    assert source.sizes() == {"train": 813, "val": 101, "test": 101}
    assert not list(tmp_path.iterdir())


def test_build_verifies_a_file_that_is_there(source):
    assert source.verify().sha256 == source.verify().sha256


def test_build_refuses_a_file_with_other_grids(source):
    grids = source.load().test.copy()
    grids[0, 0, 0] = (grids[0, 0, 0] + 1) % 10
    rewrite(source, test=grids)
    source.load()
    with pytest.raises(UserError, match=r"atomic_n100_s0_v1\.npz is not .* sha256 .*: delete it"):
        source.verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda source: source.path.write_bytes(b""), "is not an .npz file, or is cut short"),
        (lambda source: source.path.write_bytes(source.path.read_bytes()[:-30]), "cut short"),
        (lambda source: flip_a_byte(source.path), "Bad CRC-32"),
        (lambda source: rewrite(source, val=np.zeros((9, 16, 16), np.uint8)), "'val': 9, .* not .*'val': 10"),
        (lambda source: rewrite(source, test=np.full((10, 16, 16), 12, np.uint8)), "value 12"),
        (lambda source: np.savez(source.path, grids=np.zeros((100, 16, 16), np.uint8)), "{'grids': 100}"),
    ],
    ids=["empty", "cut short", "flipped byte", "sizes", "values", "keys"],
)
def test_a_damaged_file_is_refused_with_the_remedy(source, change, message):
    source.load()
    change(source)
    with pytest.raises(UserError, match=message) as refusal:
        source.load()
    assert str(refusal.value).startswith(str(source.path))
    assert str(refusal.value).endswith("delete it, and it is built anew")


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_write_leaves_nothing(source, monkeypatch, interruption):
    def stop_half_way(file, **_):
        file.write(b"PK half")
        raise interruption

    monkeypatch.setattr(np, "savez", stop_half_way)
    with pytest.raises(interruption):
        source.load()
    assert not list(source.path.parent.iterdir())


def test_a_full_disk_is_a_sentence(source, monkeypatch):
    def full(file, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match=r"_v1\.npz cannot be written \(.*No space left on device"):
        source.load()
    assert not list(source.path.parent.iterdir())


def test_a_directory_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "datasets").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        AtomicSource(num_grids=10, directory=str(tmp_path / "datasets")).load()


def test_two_processes_may_build_at_once(tmp_path):
    program = (
        "import sys, time; from arc_vae.corpus.atomic.source import AtomicSource; print('ready', flush=True); "
        "sys.stdin.readline(); print(AtomicSource(5000, directory=sys.argv[1]).load().sha256)"
    )
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for builder in builders:
        assert builder.stdout.readline() == "ready\n"
    for builder in builders:
        builder.stdin.write("go\n")
        builder.stdin.flush()
    digests = {builder.communicate(timeout=60)[0].strip() for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0]
    assert digests == {AtomicSource(5000, directory=str(tmp_path)).verify().sha256}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_grids": 9}, "num_grids=9: must be an integer, at least 10"),
        ({"num_grids": 1e5}, "num_grids=100000.0: must be an integer"),
        ({"num_grids": True}, "num_grids=True: must be an integer"),
        ({"seed": -1}, "seed=-1: must be an integer, at least 0"),
        ({"augment": "no"}, "augment=no: must be true or false"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        AtomicSource(**arguments)
