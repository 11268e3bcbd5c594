"""How a code of objects is laid out."""

from torch import Tensor, nn

from arc_vae.errors import require
from arc_vae.models.shape_dims import ShapeDims
from arc_vae.models.stations import Stations
from arc_vae.models.symmetries import Symmetries

# The tables of the prior's forms grow with the square of it: 20 MB at 16.
MAX_SLOTS = 16


class Slots(nn.Module):
    """What encoder and decoder know without learning it by gradients: how the code is laid out.

    Args:
        latent_dim: d. num_slots: S; None until `use_slots`, which then may be asked for any, up to
            `max_slots`.
        hidden_dim: width of the dense layers. num_blocks: residual blocks.
    """

    def __init__(self, latent_dim: int, num_slots: int | None, hidden_dim: int, num_blocks: int):
        super().__init__()
        possible = num_slots is None or 1 <= num_slots <= MAX_SLOTS
        require(possible, "num_slots", num_slots, f"from 1 to {MAX_SLOTS}, or null")
        require(hidden_dim >= 1, "hidden_dim", hidden_dim, "at least 1")
        require(num_blocks >= 0, "num_blocks", num_blocks, "0 or more")
        needed = num_slots or 1
        wanted = f"above num_slots={needed}: a dimension is each slot's place and colour, the others are the shapes"
        require(latent_dim > needed, "latent_dim", latent_dim, wanted)
        self.arguments = {
            "latent_dim": latent_dim,
            "num_slots": num_slots,
            "hidden_dim": hidden_dim,
            "num_blocks": num_blocks,
        }
        self.max_slots = min(latent_dim - 1, MAX_SLOTS)
        self.symmetries = Symmetries()
        self.use_slots(num_slots or self.max_slots)
        self.register_load_state_dict_pre_hook(_use_saved_slots)

    def use_slots(self, num_slots: int) -> None:
        """Lay the code out for so many; the weights suit any number."""
        device = next((parameter.device for parameter in self.parameters()), None)
        self.num_slots = num_slots
        self.stations = Stations(num_slots).to(device)
        self.shape_dims = ShapeDims(self.arguments["latent_dim"], num_slots).to(device)


def _use_saved_slots(slots: Slots, state: dict[str, Tensor], prefix: str, *_) -> None:
    """Before weights are loaded; what is not there, or impossible, is left for the loading to refuse."""
    counts = state.get(f"{prefix}stations.forms.counts", slots.stations.forms.counts)
    if counts.dim() == 3 and 1 <= counts.shape[1] <= slots.max_slots:
        slots.use_slots(counts.shape[1])
