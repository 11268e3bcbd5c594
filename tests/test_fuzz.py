"""A slice of `benchmarks/fuzz.py`, whose whole is run by hand: every kind of file, damaged in a way or two."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from fuzz import fuzz_of
from fuzzing.damage import WAYS


@pytest.fixture(scope="module")
def fuzz(tiny_run, tmp_path_factory):
    with fuzz_of(tmp_path_factory.mktemp("fuzz").resolve(), tiny_run) as fuzz:
        yield fuzz


def test_a_damaged_file_is_refused_in_a_sentence_or_read_as_it_was(fuzz):
    for number, name in enumerate(fuzz.readers):
        for way in (WAYS[number % len(WAYS)], "wrong type"):
            fuzz.trial(name, way, "slice")
    assert not fuzz.surprises, "\n".join(fuzz.surprises)
    assert fuzz.counts["inputs"] == 2 * len(fuzz.readers) > 45 and fuzz.counts["refused"] > 30


def test_other_weights_or_an_error_would_be_a_surprise(fuzz):
    name = "run/checkpoints/decoder.pth"
    fuzz.readers = {name: {"load": lambda place: "others", "api": lambda place: {}["x"]}}
    before = fuzz.surprises[:]
    fuzz.trial(name, "flip 1", "slice")
    told = fuzz.surprises[len(before) :]
    assert len(told) == 2 and "read as something else" in told[0] and "KeyError" in told[1]
    fuzz.surprises = before
