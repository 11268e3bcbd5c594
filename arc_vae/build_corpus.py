"""`python -m arc_vae.build_corpus data=atomic`: build or verify the corpus that training would use."""

from omegaconf import DictConfig

from arc_vae.command import command
from arc_vae.config import build


@command("build_corpus")
def main(cfg: DictConfig) -> None:
    """Build or verify the corpus, and say what it holds."""
    corpus = build(cfg, "data").build()
    print(corpus.describe())


if __name__ == "__main__":
    main()
