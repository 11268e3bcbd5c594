"""A VAE whose code is one of objects: where each stands, how large, of which colour and how turned, then their shapes.

In the code of n objects the first n dimensions say how many rows and columns each takes up, how it is turned or
mirrored, of which colour it is and where its corner stands; the next says that there are no more. All others hold the
shapes: they are dealt in turn to the objects, so that one object has them all and two have half each. An encoder
without parameters finds the grid's connected components, largest first, and turns each upright, so that eight shapes
are one; one network encodes the shape of every object, another paints it within its box; painted shapes are moved to
their places and turned back, the smaller before the larger. Where and what apart, and one object after the other, is
AIR's idea (Eslami et al. 2016), one network for every slot that of slot attention (Locatello et al. 2020).
"""

import logging
import math

import torch
from torch import Tensor

from arc_vae.models.base import GaussianVAE
from arc_vae.models.object_slots.components import count_components
from arc_vae.models.object_slots.decoder import ObjectSlotDecoder
from arc_vae.models.object_slots.encoder import ObjectSlotEncoder
from arc_vae.models.object_slots.interpolation import interpolate_objects
from arc_vae.models.object_slots.pose_codec import form_index

logger = logging.getLogger(__name__)

# Of a corpus's grids, how many may hold more objects than there are slots before that is worth a word.
CROWDED_SHARE = 0.01

# Grids of the train split by which the prior's forms and numbers of objects are counted, and how many at a time.
GRIDS_COUNTED, COUNT_BATCH = 50_000, 1000


class ObjectSlotVAE(GaussianVAE):
    """The β-VAE with a code of objects: a dimension for each one's place, size, symmetry and colour, the others for
    their shapes.

    Args:
        latent_dim: d, above num_slots.
        num_slots: S, the most objects that a grid's code tells apart; of more, several share a slot and its colour.
            None: as many as 99 % of the grids that the model looks at hold, if d allows it.
        hidden_dim: width of the dense layers. num_blocks: residual blocks in encoder and decoder.

    Raises:
        InvalidValue: sizes that leave no dimension for the objects' shapes.
    """

    needs_float64 = True
    encoder: ObjectSlotEncoder
    decoder: ObjectSlotDecoder
    steps_off_baseline = 60  # colours and places are read off the grid, so it leaves all-background almost at once

    def __init__(self, latent_dim: int = 10, num_slots: int | None = None, hidden_dim: int = 256, num_blocks: int = 3):
        super().__init__(
            latent_dim,
            ObjectSlotEncoder(latent_dim, num_slots, hidden_dim, num_blocks),
            ObjectSlotDecoder(latent_dim, num_slots, hidden_dim, num_blocks),
        )

    @torch.no_grad()
    def fit_prior(self, grids: Tensor) -> None:
        """Lay the code out for as many objects as the grids hold, and count how many and of which forms: the prior has
        as many of each.
        """
        parts = grids[:: math.ceil(len(grids) / GRIDS_COUNTED)].split(COUNT_BATCH)
        if self.encoder.arguments["num_slots"] is None:
            enough = num_slots_needed(torch.cat([count_components(part) for part in parts]))
            num_slots = min(enough, self.encoder.max_slots)
            logger.info("99 %% of the train grids hold at most %d objects: model.num_slots=%d", enough, num_slots)
            for half in (self.encoder, self.decoder):
                half.set_num_slots(num_slots)
        counts, forms = [], []
        for part in parts:
            objects, symmetry, count = self.encoder.extract_objects(part)
            counts.append(count)
            forms.append(form_index(objects.extent.view(*symmetry.shape, 2), symmetry))
        for half in (self.encoder, self.decoder):
            half.pose_codec.form_prior.update_counts(torch.cat(counts), torch.cat(forms))

    def interpolation_paths(self, start: Tensor, end: Tensor, steps: int) -> dict[str, Tensor]:
        """The path named "objects", on which these move."""
        return {"objects": interpolate_objects(self.decoder.pose_codec, self.decoder.symmetries, start, end, steps)}

    def suitability_warning(self, grids: Tensor) -> str | None:
        """That more than one grid in a hundred holds more objects than there are slots."""
        num_slots, count = self.encoder.num_slots, count_components(grids)
        crowded = (count > num_slots).float().mean().item()
        if crowded <= CROWDED_SHARE:
            return None
        enough = num_slots_needed(count)
        possible = enough <= self.encoder.max_slots
        advice = f"set model.num_slots={enough}" if possible else "model=beta_vae suits crowded grids better"
        return (
            f"{crowded:.0%} of the grids hold more objects than model.num_slots={num_slots}, up to {count.max()}; "
            f"objects that share a slot lose their colours and shapes: {advice}"
        )


def num_slots_needed(count: Tensor) -> int:
    """How many slots suffice for grids of so many objects (N,), but for one in a hundred."""
    return max(1, math.ceil(count.float().quantile(1 - CROWDED_SHARE).item()))
