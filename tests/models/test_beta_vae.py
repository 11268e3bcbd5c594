import pytest
import torch

from arc_vae.common.errors import InvalidValue
from arc_vae.models import BetaVAE, Encoder, reparameterize
from arc_vae.models.base import MIN_SIGMA
from arc_vae.models.beta_vae.convolutions import (
    Convolution,
    ConvolutionReLU,
    TransposedConvolutionReLU,
    suits,
    uses_product,
)
from arc_vae.models.beta_vae.encoder import one_hot
from arc_vae.models.decoding import argmax_colors

GRIDS = torch.randint(10, (3, 16, 16), dtype=torch.uint8)


def shapes_of(module: torch.nn.Module, *inputs: torch.Tensor) -> list[tuple[int, ...]]:
    """Output shapes of the leaf layers, in the order they ran."""
    seen = []
    leaves = [layer for layer in module.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape))) for layer in leaves]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


def test_parameter_count_is_the_specifications():
    assert sum(p.numel() for p in BetaVAE().parameters()) == 792_542


def test_encoder_shapes_are_the_specifications():
    conv = [(3, 32, 16, 16), (3, 64, 8, 8), (3, 128, 4, 4)]  # each with its ReLU
    heads = {(3, 10)}
    shapes = shapes_of(BetaVAE().encoder, GRIDS)
    assert shapes[:4] == [*conv, (3, 128)]
    assert len(shapes) == 6 and set(shapes[4:]) == heads


def test_decoder_shapes_are_the_specifications():
    expected = [(3, 128), (3, 2048), (3, 128, 4, 4)]
    expected += [(3, 64, 8, 8), (3, 32, 16, 16), (3, 10, 16, 16)]  # the first two with their ReLU
    assert shapes_of(BetaVAE().decoder, torch.randn(3, 10)) == expected


def test_one_hot_marks_each_cells_colour():
    hot = one_hot(GRIDS)
    assert hot.shape == (3, 10, 16, 16) and hot.dtype == torch.float32
    assert torch.equal(hot.argmax(dim=1).to(torch.uint8), GRIDS)
    assert torch.equal(hot.sum(dim=1), torch.ones(3, 16, 16))
    assert hot.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(one_hot(GRIDS), hot.bfloat16())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_most_likely_colors_are_the_argmax_and_the_lowest_of_equals(dtype, layout):
    # Few different values, so that most cells have several colours of the highest.
    logits = torch.randint(-3, 3, (5, 10, 16, 16)).to(dtype).contiguous(memory_format=layout)
    colors = argmax_colors(logits)
    assert colors.dtype == torch.uint8
    assert (colors == logits.float().numpy().argmax(axis=1)).all()


@pytest.fixture
def threads(request):
    """So many threads of torch's: on several a weight gradient is computed as a product."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("layer", "stride", "side"),
    [(ConvolutionReLU, 2, 6), (ConvolutionReLU, 2, 12), (ConvolutionReLU, 1, 6), (Convolution, 1, 6)]
    + [(TransposedConvolutionReLU, 2, 3), (TransposedConvolutionReLU, 2, 5)],
    ids=["small", "large", "unstrided", "without its ReLU", "transposed, small", "transposed, large"],
)
def test_a_convolution_computes_what_torchs_layers_do(threads, layer, stride, side, dtype):
    torch.manual_seed(0)
    kernel, rectify = 3, torch.nn.Identity() if layer is Convolution else torch.nn.ReLU()
    if layer is TransposedConvolutionReLU:
        kernel = 4
    ours = layer(8, 4, kernel_size=kernel, stride=stride, padding=1)
    theirs = layer.__base__(8, 4, kernel_size=kernel, stride=stride, padding=1)
    theirs.load_state_dict(ours.state_dict())
    inputs = [torch.randn(4, 8, side, side).to(dtype).requires_grad_() for _ in range(2)]
    inputs[1].data = inputs[0].data
    assert suits(inputs[0]) == (dtype == torch.bfloat16)
    if dtype == torch.float32:
        outputs, close = [ours(inputs[0]), rectify(theirs(inputs[1]))], 1e-5
    else:
        # The same cells are rounded to 0, so that the gradients are those of the same cells.
        theirs_rounded = rectify(theirs.to(torch.bfloat16)(inputs[1]).float())
        outputs, close = [ours(inputs[0]), theirs_rounded], 0.01
    weights = torch.randn(outputs[1].shape)
    for output in outputs:
        (output.float() * weights).sum().backward()
    seen = [inputs[0], *ours.parameters()]
    for name, a, b in zip("xwb", seen, [inputs[1], *theirs.parameters()], strict=True):
        assert (a.grad.float() - b.grad.float()).norm() < close * b.grad.float().norm(), name
    assert (outputs[0].float() - outputs[1]).norm() < close * outputs[1].norm()


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
def test_strided_weight_gradients_are_products_on_several_threads_and_of_small_maps(threads):
    small, large = torch.empty(1, 1, 8, 8), torch.empty(1, 1, 16, 16)
    assert uses_product(small, (2, 2))
    assert uses_product(large, (2, 2)) == (threads > 1)
    assert not uses_product(small, (1, 1))


def test_prior_samples_decoded_with_a_batch_are_those_decoded_apart():
    model = BetaVAE()
    torch.manual_seed(0)
    output, samples = model.forward_with_samples(GRIDS, 2)
    torch.manual_seed(0)
    apart, z = model(GRIDS), torch.randn(2, 10)
    torch.testing.assert_close(output.logits, apart.logits)
    assert all(torch.equal(a, b) for a, b in zip(output[1:], apart[1:], strict=True))
    torch.testing.assert_close(samples, model.decode(z))


def test_logvar_is_twice_the_log_of_softplus_sigma():
    encoder = BetaVAE().encoder
    torch.nn.init.zeros_(encoder.sigma_head.weight)
    torch.nn.init.constant_(encoder.sigma_head.bias, 1.5)
    sigma = torch.log1p(torch.exp(torch.tensor(1.5))) + MIN_SIGMA
    assert torch.allclose(encoder(GRIDS).logvar, (2 * sigma.log()).expand(3, 10))


def test_logvar_stays_finite_where_softplus_underflows():
    encoder = BetaVAE().encoder
    torch.nn.init.zeros_(encoder.sigma_head.weight)
    torch.nn.init.constant_(encoder.sigma_head.bias, -1e4)
    assert torch.isfinite(encoder(GRIDS).logvar).all()


def test_reparameterize_draws_from_the_posterior():
    mu, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 2.0]])
    torch.manual_seed(0)
    z = reparameterize(mu.expand(200_000, 2), logvar.expand(200_000, 2))
    assert torch.allclose(z.mean(dim=0), mu[0], atol=0.03)  # 5 standard errors of e / √200,000
    assert torch.allclose(z.std(dim=0), torch.exp(0.5 * logvar[0]), rtol=0.01)


def test_reparameterize_with_a_generator_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    reparameterize(torch.zeros(2, 3), torch.zeros(2, 3), torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_reach_every_parameter():
    model = BetaVAE()
    output = model(GRIDS)
    (output.logits.square().sum() + output.mu.square().sum() + output.logvar.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [((10, 8), (8, 10)), ((10, 8, 8), (4, 8, 10)), ((10, 4, 4, 4, 4, 4), (4, 4, 4, 4, 4, 10))],
)
def test_any_depth_that_halves_sixteen_fits(encoder, decoder):
    model = BetaVAE(latent_dim=3, encoder_channels=encoder, decoder_channels=decoder)
    assert model(GRIDS).logits.shape == (3, 10, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"latent_dim": 0}, "latent_dim=0: must be at least 1"),
        ({"hidden_dim": 0}, "hidden_dim=0"),
        ({"encoder_channels": []}, "encoder_channels="),
        ({"encoder_channels": [9, 32]}, "starting with the 10 colours"),
        ({"decoder_channels": [32, 9]}, "ending in the 10 colours"),
        ({"encoder_channels": [10, 0, 4]}, "positive everywhere"),
        ({"encoder_channels": [10] * 8}, "at most 6 entries"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments, sentence):
    with pytest.raises(InvalidValue, match=sentence.replace("[", r"\[")):
        BetaVAE(**arguments)


def test_parts_know_what_rebuilds_them():
    encoder = Encoder(latent_dim=4, channels=(10, 8), hidden_dim=16)
    twin = Encoder(**encoder.arguments)
    twin.load_state_dict(encoder.state_dict())
    assert torch.equal(twin(GRIDS).mu, encoder(GRIDS).mu)
