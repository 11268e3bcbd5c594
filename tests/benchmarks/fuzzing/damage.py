"""Files damaged: in their bytes, in their structure, or with a directory in their place."""

import io
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

OTHERS: list[Any] = [None, "x", "", -1, 2.5, [], {}, True, [[None]], {"a": {"b": "\x1b[2J"}}, 10**30, float("nan")]


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def flip(bits: int) -> Callable[[bytes, random.Random], bytes]:
    def flipped(content: bytes, rng: random.Random) -> bytes:
        changed = bytearray(content)
        for _ in range(bits):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)

    return flipped


def header(content: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(8) + content[8:]


def empty(content: bytes, rng: random.Random) -> bytes:
    return b""


def wrong_type(value: Any, rng: random.Random) -> Any:
    """The same with one value, at any depth, of another type."""
    return _changed(value, rng, lambda node, key: node.__setitem__(key, rng.choice(OTHERS)))


def missing_key(value: Any, rng: random.Random) -> Any:
    """The same without one key or entry, at any depth."""
    return _changed(value, rng, lambda node, key: node.__delitem__(key))


def _changed(value: Any, rng: random.Random, change: Callable[[Any, Any], None]) -> Any:
    # The upper levels as often as the many leaves of the lower ones.
    levels: dict[int, list] = {}
    for depth, node, key in _places(value):
        levels.setdefault(depth, []).append((node, key))
    if not levels:
        return rng.choice(OTHERS)
    change(*rng.choice(levels[rng.choice(sorted(levels))]))
    return value


def _places(value: Any, depth: int = 0) -> Iterator[tuple[int, Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield depth, value, key
        yield from _places(value[key], depth + 1)


def restructured(path: Path, content: bytes, way: Callable[[Any, random.Random], Any], rng: random.Random) -> bytes:
    """The file's content with a value changed by `way`, as its kind of file spells it."""
    if path.suffix == ".pth":
        state = torch.load(io.BytesIO(content), weights_only=True)
        return _saved(lambda file: torch.save(way(state, rng), file))
    if path.suffix == ".npz":
        arrays = dict(np.load(io.BytesIO(content)))
        if way is missing_key:
            del arrays[rng.choice(sorted(arrays))]
        else:
            arrays[rng.choice(sorted(arrays))] = np.array(rng.choice(OTHERS), dtype=object)
        return _saved(lambda file: np.savez(file, **arrays))
    if path.suffix == ".yaml":
        return yaml.safe_dump(way(yaml.safe_load(content), rng)).encode()
    lines = content.decode().splitlines() if path.suffix == ".jsonl" else [content.decode()]
    number = rng.randrange(len(lines))
    lines[number] = json.dumps(way(json.loads(lines[number]), rng))
    return ("\n".join(lines) + "\n").encode()


def _saved(save: Callable[[Any], None]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


BYTES = {"truncate": cut, "flip 1": flip(1), "flip 3": flip(3), "flip 30": flip(30), "header": header, "empty": empty}
STRUCTURE = {"wrong type": wrong_type, "missing key": missing_key}
WAYS = (*BYTES, *STRUCTURE, "directory", "pipe")


def damage(path: Path, content: bytes, way: str, rng: random.Random) -> None:
    """Leave the file at `path`, whose content is given, damaged in that way."""
    path.unlink()
    if way == "directory":
        path.mkdir()
    elif way == "pipe":
        os.mkfifo(path)
    elif way in BYTES:
        path.write_bytes(BYTES[way](content, rng))
    elif path.suffix == ".png":
        path.write_bytes(b"GIF89a")  # another kind of picture: it has neither types nor keys
    else:
        path.write_bytes(restructured(path, content, STRUCTURE[way], rng))


def restore(path: Path, content: bytes) -> None:
    """The file as it was."""
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(content)
