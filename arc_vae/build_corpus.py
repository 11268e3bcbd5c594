"""`python -m arc_vae.build_corpus data=atomic`: build or verify the corpus that training would use."""

from omegaconf import DictConfig

from arc_vae.cli.command import command
from arc_vae.common.printable import printable
from arc_vae.configuration.instantiate import instantiate_group


@command("build_corpus")
def main(cfg: DictConfig) -> None:
    """Build or verify the corpus, and say what it holds."""
    corpus = instantiate_group(cfg, "data").verify()
    print(printable(corpus.describe()))


if __name__ == "__main__":
    main()
