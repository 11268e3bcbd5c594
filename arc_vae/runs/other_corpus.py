"""A run's best checkpoint judged on what it was not judged on: another corpus, or another split of its own."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation.two_sample import FOLDS
from arc_vae.reporting.verdict_text import format_verdict
from arc_vae.runs.evaluate_run import measure_run
from arc_vae.runs.experiment import Experiment
from arc_vae.runs.run_directory import RunDirectory

FOLDER = "evaluations"
HELD_OUT_SPLITS = ("val", "test")

# Of the train split, which grids place the yardstick's threshold where the validation split is what is judged.
_EVERY = 10


def judge_other(directory: RunDirectory, experiment: Experiment, source: Any, split: str) -> str:
    """Judge a split of the source's corpus, write `evaluations/<corpus>.json`, and return what there is to say.

    Nothing else in the run directory is touched.

    Raises:
        UserError: a split too small to be judged, or whatever the source refuses.
    """
    corpus = source.load()
    for name in ("val", split):
        if corpus.sizes[name] < FOLDS:
            raise UserError(
                f"{corpus.name}: the {name} split holds {corpus.sizes[name]} grids; the verdict needs at least {FOLDS}"
            )
    metrics, _, trained = measure_run(directory, experiment, held_out(corpus, split), part_of=corpus)
    metrics["corpus"] |= {"split": split, "trained_on": trained["corpus_sha256"]}
    file = free_file(directory.path / FOLDER, corpus, split)
    file.parent.mkdir(exist_ok=True)
    write_json(file, metrics)
    return "\n".join([format_verdict(metrics), "", told_apart(metrics["corpus"]), f"written to {file}"])


def held_out(corpus: Corpus, split: str) -> Corpus:
    """The corpus with `split` in the place of the test split.

    Where that is the validation split, a tenth of the train grids takes the place of validation: the yardstick's
    threshold is never placed by the grids that it then judges, nor by the test split.
    """
    if split == "test":
        return corpus
    tenth = np.arange(len(corpus.train)) % _EVERY == 0
    return Corpus(corpus.name, corpus.train[~tenth], corpus.train[tenth], corpus.val)


def told_apart(corpus: dict) -> str:
    """What was judged, in a sentence, and whether the model was trained on this corpus."""
    judged = f"judged on the {corpus['split']} split of {corpus['name']} (sha256 {corpus['sha256'][:12]})"
    if corpus["sha256"] == corpus["trained_on"]:
        return f"{judged}, the corpus it was trained on"
    return f"{judged}, not the corpus it was trained on (sha256 {corpus['trained_on'][:12]})"


def free_file(folder: Path, corpus: Corpus, split: str) -> Path:
    """`<corpus>.json`, `<corpus>_val.json` for the validation split; with the digest if another corpus has the name."""
    stem = re.sub(r"[^\w.-]", "_", Path(corpus.name).stem) + ("" if split == "test" else f"_{split}")
    file = folder / f"{stem}.json"
    if file.is_file() and corpus.sha256 not in file.read_text(encoding="utf-8", errors="replace"):
        return folder / f"{stem}_{corpus.sha256[:12]}.json"
    return file
