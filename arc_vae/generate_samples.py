"""`python -m arc_vae.generate_samples run=<run dir> num_samples=64 [refinement_steps=1]`: decode z ~ N(0, I)."""

from typing import Any

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("generate_samples")
def main(cfg: DictConfig) -> None:
    """Write samples.npz and samples.png."""
    # torch is imported only when there is something to decode: --help answers at once.
    from arc_vae.runs.write_samples import write_samples

    write_samples(cfg)


def __getattr__(name: str) -> Any:
    """The specification's `generate_samples(decoder, num_samples, device)`, imported when asked for."""
    if name == "generate_samples":
        from arc_vae.models.sampling import generate_samples

        return generate_samples
    raise AttributeError(f"module {__name__} has no attribute {name}")


if __name__ == "__main__":
    main()
