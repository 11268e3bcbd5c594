"""Where grids come from: every source gives one `Corpus(train, val, test)`."""

from arc_vae.corpus.arc import ArcSource
from arc_vae.corpus.atomic import AtomicSource
from arc_vae.corpus.corpus import Corpus, CorpusSource
from arc_vae.corpus.npz import NpzSource, load_corpus

__all__ = ["ArcSource", "AtomicSource", "Corpus", "CorpusSource", "NpzSource", "load_corpus"]
