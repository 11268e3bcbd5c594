"""`python -m arc_vae.export run=<run dir>`: encoder.onnx and decoder.onnx, which run without torch."""

from omegaconf import DictConfig

from arc_vae.cli.command import command
from arc_vae.common.errors import require


@command("export")
def main(cfg: DictConfig) -> None:
    """Write encoder.onnx, decoder.onnx and export.json."""
    count = cfg.num_grids
    good = isinstance(count, int) and not isinstance(count, bool) and count >= 1
    require(good, "num_grids", count, "an integer of at least 1")

    # torch is imported only when there is something to export: --help answers at once.
    from arc_vae.exporting.onnx_files import export
    from arc_vae.training.device import configure_process

    configure_process()
    export(cfg)


if __name__ == "__main__":
    main()
