"""`model=object_slots`: a code of objects, a dimension each for pose and colour, the others for their shapes."""

from arc_vae.models.object_slots.decoder import ObjectSlotDecoder
from arc_vae.models.object_slots.encoder import ObjectSlotEncoder
from arc_vae.models.object_slots.model import ObjectSlotVAE

__all__ = ["ObjectSlotDecoder", "ObjectSlotEncoder", "ObjectSlotVAE"]
