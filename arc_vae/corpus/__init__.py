"""Where grids come from: every source gives one `Corpus(train, val, test)`."""

from arc_vae.corpus.corpus import Corpus, CorpusSource
from arc_vae.corpus.npz import load_corpus

__all__ = ["Corpus", "CorpusSource", "load_corpus"]
