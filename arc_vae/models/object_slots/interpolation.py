"""A way between two codes of objects on which the objects move, rather than the numbers that stand for them."""

import torch
from torch import Tensor

from arc_vae.common.grids import SIZE
from arc_vae.models.object_slots.pose_codec import PoseCodec, Poses
from arc_vae.models.object_slots.symmetries import Symmetries


def interpolate_objects(
    pose_codec: PoseCodec, symmetries: Symmetries, start: Tensor, end: Tensor, steps: int
) -> Tensor:
    """`steps` + 1 codes from each start to its end, both included: (P, d) and (P, d) → (P, steps + 1, d).

    The objects of the start go half of the way towards those of the end in the same slots; from there these go on. At
    the middle of the way colours, shapes and numbers change, all at once: what a shape's dimensions say depends on
    how many objects there are. Objects without a partner stay where they are.
    """
    first, second = (_Movable(pose_codec, symmetries, code) for code in (start, end))
    paired = torch.minimum(first.count, second.count)
    path = []
    for step in range(steps + 1):
        share = step / steps
        moving, other, way = (first, second, share) if share <= 0.5 else (second, first, 1 - share)
        path.append(moving.moved(other.center, way, paired))
    return torch.stack(path, dim=1)


class _Movable:
    """Codes (P, d) whose objects can be put elsewhere; `center` (P, S, 2) is where each is, in rows and columns."""

    def __init__(self, pose_codec: PoseCodec, symmetries: Symmetries, code: Tensor):
        self.pose_codec, self.symmetries, self.code = pose_codec, symmetries, code
        self.objects: Poses = pose_codec.decode(code[:, : pose_codec.num_slots])
        self.count = self.objects.num_objects
        self.color, corner = self.objects.nearest_placement()
        corner, self.extent = symmetries.invert_box(corner, self.objects.extent, self.objects.symmetry)
        self.center = corner + self.extent / 2

    def moved(self, target: Tensor, way: float, paired: Tensor) -> Tensor:
        """The codes with the first `paired` (P,) objects so much of the way to their targets (P, S, 2)."""
        slot = torch.arange(self.pose_codec.num_slots, device=self.code.device)
        center = self.center + way * (target - self.center) * (slot < paired[:, None])[:, :, None]
        corner = (center - self.extent / 2).round().long()
        corner = torch.minimum(corner.clamp(min=0), SIZE - self.extent)
        corner, _ = self.symmetries.transform_box(corner, self.extent, self.objects.symmetry)
        z, _ = self.pose_codec.encode(self.count, self.color, self.objects.symmetry, self.objects.extent, corner)
        where = self.code[:, : self.pose_codec.num_slots]
        z = torch.where(slot < self.count[:, None], z, where)
        return torch.cat([z, self.code[:, self.pose_codec.num_slots :]], dim=1)
