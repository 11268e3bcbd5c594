"""Scenes of object slots' codes: read without looking at a grid, and written back.

A code states each object's box, symmetry and colour. An operation writes these anew and leaves the dimensions of the
shapes as they are, so that the decoder paints the same shapes elsewhere.
"""

import torch
from torch import Tensor

from arc_vae.models.base import VAE
from arc_vae.models.object_slots.decoder import ObjectSlotDecoder
from arc_vae.operations.scene import Scene, inverse, symmetries, turned_again


def states_objects(model: VAE) -> bool:
    """Whether the model's codes state places, sizes, symmetries and colours of objects."""
    return isinstance(model.decoder, ObjectSlotDecoder)


def slot_decoder(model: VAE) -> ObjectSlotDecoder:
    """The decoder of a model whose codes state objects; see `states_objects`."""
    assert isinstance(model.decoder, ObjectSlotDecoder)
    return model.decoder


def read_codes(decoder: ObjectSlotDecoder, z: Tensor) -> Scene:
    """Codes (B, d) → the scenes that they state."""
    says = decoder.pose_codec.decode(z[:, : decoder.num_slots])
    color, corner = says.nearest_placement()
    corner, extent = symmetries(z.device).invert_box(corner, says.extent, says.symmetry)
    present = torch.arange(decoder.num_slots, device=z.device) < says.num_objects[:, None]
    there = present[:, :, None]
    return Scene.read(present, corner * there, torch.where(there, extent, 1), color + 1, room=decoder.num_slots)


@torch.no_grad()
def write_codes(decoder: ObjectSlotDecoder, z: Tensor, scene: Scene) -> Tensor:
    """Codes (B, d), and scenes made of those that they state → codes that state these; what is as it was keeps its
    numbers, and so do refused grids.

    float64: float32 has not the digits for forms that a corpus hardly ever has. A rectangle turned by 90° twice is such
    a one: it is the same rectangle, but the encoder would tell it by another symmetry.
    """
    slots = decoder.num_slots
    says = decoder.pose_codec.decode(z[:, :slots])
    scene = scene.narrowed(slots)
    symmetry = turned_again(inverse(scene.turn), says.symmetry.gather(1, scene.source))
    corner, extent = symmetries(z.device).transform_box(scene.corner, scene.extent, symmetry)
    count = scene.num_objects.clamp(min=1)
    where, _ = decoder.pose_codec.precise_code(count, scene.color - 1, symmetry, extent, corner)
    where = torch.where(scene.present, where, decoder.pose_codec.stop_posterior()[0].double())
    before = read_codes(decoder, z)
    kept = scene.same_objects(before) & (count == says.num_objects)[:, None]
    where = torch.where(kept, z[:, :slots].double(), where)
    source = scene.source[:, :, None].expand(-1, -1, decoder.shape_allocation.max_dims)
    shapes = decoder.shape_allocation.split_code(z.double(), says.num_objects).gather(1, source)
    written = decoder.shape_allocation.assemble_code(where, shapes, count)
    return torch.where((scene.refused > 0)[:, None], z.double(), written)


def decode(model: VAE, z: Tensor, apart: bool) -> Tensor:
    """Codes (B, d) → logits (B, 10, 16, 16); `apart`: whether objects in each other's way may be moved apart."""
    if not states_objects(model):
        return model.decode(z.float())
    return model.decode(z) if apart else model.decoder(z, apart=False)
