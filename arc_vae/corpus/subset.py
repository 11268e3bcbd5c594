"""A corpus cut down for a look at whether training works at all: `debug=short`, `debug=overfit`."""

import numpy as np

from arc_vae.corpus.corpus import SPLITS, Corpus


def first_batches(corpus: Corpus, grids: int) -> Corpus:
    """The first `grids` grids of each split."""
    return Corpus(corpus.name, *(getattr(corpus, split)[:grids] for split in SPLITS))


def one_batch(corpus: Corpus, batch_size: int, times: int) -> Corpus:
    """The first batch of the train split in place of each split; so many times over where it is trained on."""
    batch = corpus.train[:batch_size]
    return Corpus(corpus.name, np.tile(batch, (times, 1, 1)), batch, batch)
