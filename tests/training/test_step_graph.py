"""Steps replayed as a CUDA graph are the steps done kernel by kernel; when they are recorded, and what is refused."""

import pytest
import torch
from operations.grids import serpentine

from arc_vae.common.errors import InvalidValue, UserError
from arc_vae.models import BetaVAE, ObjectSlotVAE, PaletteVAE
from arc_vae.models.object_slots.components import _label_by_products, _label_by_rounds, label_components
from arc_vae.objective import BetaVAELoss
from arc_vae.training import Muon, Trainer
from arc_vae.training.batches import Batches
from arc_vae.training.early_stopping import EarlyStopping
from arc_vae.training.lr_schedule import cosine
from arc_vae.training.state import TrainingState
from arc_vae.training.step import TrainingStep
from arc_vae.training.step_graph import put_counts_on_device, rates_on_device, resolve_cuda_graph

# Of 16 steps in float32: the same kernels, in another order of sums at most.
CLOSE = {"rtol": 1e-2, "atol": 1e-2}
CPU, GPU = torch.device("cpu"), torch.device("cuda")
MODELS = {
    "beta_vae": lambda: BetaVAE(),
    "object_slots": lambda: ObjectSlotVAE(latent_dim=10, num_slots=2, hidden_dim=64, num_blocks=1),
    "palette": lambda: PaletteVAE(latent_dim=10),
}
OPTIMIZERS = {
    "muon": lambda parameters: Muon(parameters, lr=1e-3, weight_decay=0.01),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    "fused adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, fused=True),
}


def some_grids(count: int, device: str = "cpu") -> torch.Tensor:
    """Random grids (count, 16, 16), most cells background."""
    made = torch.Generator().manual_seed(1)
    grids = torch.randint(10, (count, 16, 16), generator=made) * (torch.rand(count, 16, 16, generator=made) < 0.07)
    return grids.to(torch.uint8).to(device)


class Run:
    """Steps from fixed weights and random numbers on the GPU; an epoch is four of them."""

    def __init__(self, model: str, optimizer: str, cuda_graph: bool, loss=None):
        torch.manual_seed(0)
        whole = MODELS[model]().to("cuda", memory_format=torch.channels_last)
        grids = some_grids(128, "cuda")
        whole.fit_prior(grids)
        moved = OPTIMIZERS[optimizer](whole.parameters())
        schedule = cosine(moved, 4, T_max=10, warmup_steps=3)
        self.state = TrainingState(whole, moved, schedule, EarlyStopping(), {}, "sha", "id", "float32")
        loss = loss or BetaVAELoss(blank_weight=1.0)
        self.step = TrainingStep(self.state, loss, 1.0, "float32", compile=False, cuda_graph=cuda_graph)
        self.batches = Batches(grids, 32, augment=True)

    def epochs(self, count: int, begun: int = 0) -> torch.Tensor:
        """All that the steps measure, (4 · count, metrics); β and the foreground's weight change as they go."""
        records = []
        for epoch in range(begun, begun + count):
            records += [self.step(batch, 0.1 * epoch, 0.2 * number) for number, batch in enumerate(self.batches)]
        return torch.stack(records).cpu()


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_replayed_steps_are_those_done_kernel_by_kernel(model, optimizer):
    eager = Run(model, optimizer, cuda_graph=False)
    told, drawn = eager.epochs(4), torch.rand(4, device="cuda")
    replayed = Run(model, optimizer, cuda_graph=True)
    again, drawn_again = replayed.epochs(4), torch.rand(4, device="cuda")
    assert replayed.step.update.graph is not None
    torch.testing.assert_close(again, told, **CLOSE)
    assert torch.equal(drawn_again, drawn)  # the graph draws as many random numbers
    assert again[0, 0] != again[-1, 0]


@pytest.mark.gpu
def test_a_graphs_checkpoint_goes_on_as_if_never_stopped():
    whole = Run("beta_vae", "muon", cuda_graph=True)
    expected = whole.epochs(4)
    first = Run("beta_vae", "muon", cuda_graph=True)
    first.epochs(2)
    saved = torch.utils._pytree.tree_map(lambda x: x.cpu() if torch.is_tensor(x) else x, first.state.state_dict())
    second = Run("beta_vae", "muon", cuda_graph=True)
    second.state.load_state_dict(saved, "saved")
    torch.testing.assert_close(second.epochs(2, begun=2), expected[8:], **CLOSE)
    assert second.state.optimizer.param_groups[0]["lr"] == whole.state.optimizer.param_groups[0]["lr"]


@pytest.mark.gpu
@pytest.mark.parametrize("model", MODELS)
def test_a_replayed_step_waits_for_nothing(model):
    run = Run(model, "muon", cuda_graph=True)
    run.epochs(2)
    batch = next(iter(run.batches))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(3):
            run.step(batch, 0.1 * step, 1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")


class AsksTheHost(BetaVAELoss):
    def __call__(self, *args, **kwargs):
        terms = super().__call__(*args, **kwargs)
        return terms._replace(total=terms.total * float(terms.total > 0))


@pytest.mark.gpu
def test_a_step_that_asks_the_host_is_refused_when_it_is_to_be_recorded():
    run = Run("beta_vae", "muon", cuda_graph=True, loss=AsksTheHost())
    with pytest.raises(
        UserError, match="training.cuda_graph: this step waits for the GPU: give training.cuda_graph=false"
    ):
        run.epochs(2)


@pytest.mark.gpu
def test_cells_are_numbered_alike_on_both_devices():
    grids = some_grids(700)
    assert torch.equal(label_components(grids.cuda()).cpu(), label_components(grids))


def test_cells_are_numbered_alike_by_products_and_by_rounds():
    winding = torch.from_numpy(serpentine())[None]
    for grids in (some_grids(40), winding, torch.full((1, 16, 16), 7, dtype=torch.uint8)):
        assert torch.equal(_label_by_products(grids), _label_by_rounds(grids))
    assert len(_label_by_products(winding).unique()) == 2


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_an_optimizer_told_by_tensors_moves_as_one_told_by_numbers(optimizer):
    def moved(by_tensors: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(*shape)) for shape in ((8, 4), (8,), (3,))]
        own = OPTIMIZERS[optimizer](parameters)
        for step in range(6):
            own.param_groups[0]["lr"] = 1e-2 / (step + 1)
            for parameter in parameters:
                parameter.grad = torch.randn_like(parameter)
            if not by_tensors or step < 2:
                own.step()
                continue
            put_counts_on_device(own, CPU)
            if optimizer == "muon":
                with rates_on_device(own, CPU):
                    own.step()
            else:
                own.step()  # torch's takes a tensor for its rate on GPUs only
            assert own.param_groups[0]["lr"] == 1e-2 / (step + 1)
        assert {float(state["step"]) for state in own.state.values() if "step" in state} == {6.0}
        return [parameter.detach() for parameter in parameters]

    for with_numbers, with_tensors in zip(moved(False), moved(True), strict=True):
        torch.testing.assert_close(with_tensors, with_numbers, rtol=1e-6, atol=1e-7)


def resolved(wanted=True, device=GPU, precision="bfloat16", loss=None, optimizer=Muon) -> bool:
    model = BetaVAE(10, (10, 8, 8), (8, 8, 10), hidden_dim=16)
    return resolve_cuda_graph(wanted, device, precision, model, loss or BetaVAELoss(), optimizer(model.parameters()))


def test_steps_are_recorded_on_cuda_gpus_by_themselves():
    assert resolved("auto") and resolved(True)
    assert resolved("auto", optimizer=torch.optim.AdamW)
    assert not resolved(False)
    for cannot in ({"device": CPU}, {"precision": "float16"}, {"optimizer": lambda p: torch.optim.SGD(p, lr=0.1)}):
        assert not resolved("auto", **cannot)


def test_classes_of_ones_own_are_recorded_only_when_that_is_asked_for():
    assert not resolved("auto", loss=AsksTheHost())
    assert resolved(True, loss=AsksTheHost())


def test_a_machine_without_a_gpu_refuses_before_a_run_has_a_directory():
    with pytest.raises(InvalidValue, match="cuda_graph=True: must be auto or false: device cpu has no CUDA graphs"):
        Trainer(device="cpu", cuda_graph=True)
    with pytest.raises(InvalidValue, match="cuda_graph=often: must be auto, true or false"):
        Trainer(device="cpu", cuda_graph="often")


@pytest.mark.parametrize(
    ("cannot", "sentence"),
    [
        ({"device": CPU}, "auto or false: device cpu has no CUDA graphs"),
        ({"precision": "float16"}, "auto or false: in float16 the host decides which steps are left out"),
        ({"optimizer": lambda p: torch.optim.SGD(p, lr=0.1)}, "auto or false: SGD counts its steps on the host"),
    ],
)
def test_what_cannot_be_recorded_is_refused_when_asked_for(cannot, sentence):
    with pytest.raises(InvalidValue) as error:
        resolved(True, **cannot)
    assert str(error.value) == f"cuda_graph=True: must be {sentence}"


def test_counts_kept_as_tensors_are_read_where_steps_are_not_recorded(tmp_path):
    def begun() -> tuple[torch.nn.Parameter, Muon]:
        torch.manual_seed(0)
        parameter = torch.nn.Parameter(torch.randn(5))
        parameter.grad = torch.randn(5)
        return parameter, Muon([parameter], lr=1e-2)

    parameter, optimizer = begun()
    for _ in range(3):
        optimizer.step()
    put_counts_on_device(optimizer, CPU)
    torch.save({"weight": parameter.data, "optimizer": optimizer.state_dict()}, tmp_path / "last.pth")
    saved = torch.load(tmp_path / "last.pth", weights_only=True)
    again, resumed = begun()
    again.data.copy_(saved["weight"])
    resumed.load_state_dict(saved["optimizer"])
    whole, never_stopped = begun()
    for _ in range(3):
        never_stopped.step()
    for one in (resumed, never_stopped):
        one.step()
    assert torch.equal(again, whole)
