"""Random integers that never change: the same key gives the same numbers everywhere.

NumPy may change what `Generator.integers` or `shuffle` return from version to version
(NEP 19); the raw 64-bit words of a bit generator it promises to keep. So only raw words
are drawn here, and only integer arithmetic is done on them.
"""

import hashlib

import numpy as np


class StableRandom:
    """A stream of random integers named by its key, for example `StableRandom("atomic", seed, block)`.

    Streams of different keys are independent: PCG64's whole state and increment are
    a SHA-256 digest of the key.
    """

    def __init__(self, *key: int | str):
        digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
        state, increment = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big") | 1
        self._bits = np.random.PCG64(0)
        self._bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": increment},
            "has_uint32": 0,
            "uinteger": 0,
        }

    def integers(self, bound: int | np.ndarray, count: int) -> np.ndarray:
        """`count` integers uniform over 0 .. bound - 1, int64 (count,); `bound` may be an array of that shape.

        Bounds stay under 2³²; a value's probability is off by at most 2⁻³².
        """
        words = self._bits.random_raw(count) >> np.uint64(32)
        return (words * np.asarray(bound, dtype=np.uint64) >> np.uint64(32)).astype(np.int64)

    def permutation(self, count: int) -> np.ndarray:
        """A uniformly drawn order of 0 .. count - 1, int64 (count,)."""
        return np.argsort(self._bits.random_raw(count), kind="stable").astype(np.int64)

    def permutations(self, count: int, length: int) -> np.ndarray:
        """`count` orders of 0 .. length - 1, drawn independently, int64 (count, length)."""
        words = self._bits.random_raw(count * length).reshape(count, length)
        return np.argsort(words, axis=1, kind="stable").astype(np.int64)
