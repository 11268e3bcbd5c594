"""The sweeper of `train -m fallback=<row>`: a job for each variant of the row."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override


class VariantSweeper(BasicSweeper):
    """Hydra's own sweeper, each of whose jobs becomes as many as there are variants of its configuration.

    Args:
        variants: each {key or role: change}, as `arc_vae.sweeps.variants` reads them.
    """

    def __init__(self, max_batch_size: int | None = None, variants: Sequence[Mapping[str, Any]] = ()):
        super().__init__(max_batch_size)
        self.variants = variants

    # Hydra calls its static method on the object.
    def split_arguments(  # type: ignore[override]
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Batches of jobs, each a list of overrides."""
        from arc_vae.sweeps.variants import variant_overrides

        assert self.hydra_context is not None and self.config is not None
        load, jobs = self.hydra_context.config_loader.load_sweep_config, []
        for (job,) in BasicSweeper.split_arguments(overrides, 1):
            variants = variant_overrides(load(self.config, job), self.variants)
            jobs += [[*job, *variant] for variant in variants]
        return [list(batch) for batch in self.split_overrides_to_chunks(jobs, max_batch_size)]
