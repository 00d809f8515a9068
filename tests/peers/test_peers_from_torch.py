"""PyTorch's own numbers against those of the networks that `from_torch` makes of modules."""

import importlib

import numpy as np
import pytest

import jaxvis

torch = pytest.importorskip("torch")
nn = torch.nn
F = nn.functional

TOLERANCE = 1e-4


class Everything(nn.Module):
    """Calls every operation that is known, each on a map or a vector of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.same = nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=4)
        self.up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.batch = nn.BatchNorm2d(8)
        self.group, self.instance = nn.GroupNorm(2, 8), nn.InstanceNorm2d(8, affine=True)
        self.layer, self.prelu = nn.LayerNorm(8), nn.PReLU(8)
        self.fc, self.attention = nn.Linear(8, 6), nn.MultiheadAttention(8, 2, batch_first=True)
        self.position = nn.Parameter(torch.randn(8, 1, 1))
        self.register_buffer("order", torch.tensor([3, 1, 0, 2, 7, 6, 5, 4]))
        self.register_buffer("gain", torch.tensor(2.0), persistent=False)
        self.drop, self.identity = nn.Dropout(0.5), nn.Identity()

    def forward(self, x):
        x = self.conv(x)
        found = [self.same(x), self.up(x), self.batch(x), self.group(x), self.instance(x)]
        found += [self.prelu(x), self.identity(self.drop(x)) + self.position * self.gain]
        found += list(activate(x)) + list(pool(x)) + list(resize(x)) + list(move(x, self.order))
        found += list(reduce(x)) + list(compute(x))
        tokens = self.layer(x.flatten(2).transpose(1, 2))
        found += [self.attention(tokens, tokens, tokens, need_weights=False)[0], self.fc(tokens)]
        found += [
            torch.bmm(tokens, tokens.transpose(1, 2)),
            torch.einsum("bij,bkj->bik", tokens, tokens),
        ]
        found += [F.scaled_dot_product_attention(tokens, tokens, tokens, is_causal=True)]
        found += [torch.addmm(self.fc.bias, tokens[0], self.fc.weight.t(), alpha=2.0).unsqueeze(0)]
        return tuple(found)


def activate(x):
    for name in (
        "relu relu6 hardtanh leaky_relu elu selu silu gelu hardswish hardsigmoid sigmoid tanh "
        "softplus mish softsign celu logsigmoid tanhshrink hardshrink"
    ).split():
        yield getattr(F, name)(x)
    yield F.gelu(x, approximate="tanh")
    yield F.softmax(x, 1)
    yield F.log_softmax(x, dim=-1)
    yield F.relu(x.clone(), inplace=True)
    yield F.threshold(x, 0.5, 2.0)
    yield F.glu(x, 1)
    yield F.normalize(x, dim=1)


def pool(x):
    yield F.max_pool2d(x, 3, 2, 1)
    yield F.max_pool2d(x, 3, 2, ceil_mode=True)
    yield F.max_pool2d(x, (2, 3), (1, 2), (1, 0), dilation=(2, 1))
    yield F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
    yield F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    yield F.avg_pool2d(x, 2, divisor_override=3)
    yield F.adaptive_avg_pool2d(x, 1)
    yield F.adaptive_avg_pool2d(x, (3, 5))
    yield F.adaptive_max_pool2d(x, (3, None))


def resize(x):
    yield F.interpolate(x, scale_factor=2)
    yield F.interpolate(x, size=(5, 7), mode="nearest-exact")
    yield F.interpolate(x, size=(5, 19), mode="bilinear", align_corners=False)
    yield F.interpolate(x, scale_factor=1.7, mode="bilinear", align_corners=True)
    yield F.interpolate(x, size=(9, 11), mode="bicubic")
    yield F.pixel_shuffle(x, 2)
    yield F.pixel_unshuffle(x, 2)
    yield F.pad(x, (1, 2, 0, 3))
    yield F.pad(x, (1, 2, 0, 3), value=2.0)
    yield F.pad(x, (1, 2, 2, 1), mode="reflect")
    yield F.pad(x, (1, 2, 2, 1), mode="replicate")


def move(x, order):
    yield torch.cat([x, x[:, :3]], 1)
    yield torch.stack([x[:, 0], x[:, -1]], 1)
    yield from x.split(3, 1)
    yield from x.split([3, 5], 1)
    yield from x.chunk(3, 1)
    yield x[:, order]
    yield x[:, 1:-1:2, ..., 2:]
    yield x.permute(0, 2, 3, 1)
    yield x.reshape(1, 2, -1).transpose(1, 2)
    yield x.view(1, 4, 2, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
    yield x.unsqueeze(2).squeeze(2)
    yield x.mean((2, 3), keepdim=True).expand_as(x)
    yield x.roll((1, -2), (2, 3))
    yield x.flip(3)
    yield x.repeat(1, 2, 1, 1)
    yield torch.unbind(x, 1)[2]
    yield x.narrow(2, 1, 4)
    yield x.unflatten(1, (2, 4))
    yield x.index_select(1, order[:3])


def reduce(x):
    yield x.mean((2, 3))
    yield x.sum(1)
    yield x.amax((2, 3))
    yield x.amin(1, keepdim=True)
    yield x.max(1)[0]
    yield x.std((2, 3))
    yield x.var(1, unbiased=False)
    yield x.norm(dim=1)


def compute(x):
    yield 1 - x / 2 + x * x.sigmoid() - 3 * x
    yield torch.rsqrt(x.pow(2) + 1) + torch.sqrt(x.abs() + 0.1) + x.exp().log1p()
    yield torch.where(x > 0, x, torch.zeros_like(x)) + torch.full_like(x, 2.0)
    yield x.masked_fill(x < 0, 1.0).clamp(min=0.2, max=0.9)
    yield torch.maximum(x, x.mean()) + torch.sub(x, x, alpha=2)
    yield x + torch.arange(x.shape[-1]) + torch.ones(1, 8, 1, 1)
    y = torch.zeros_like(x)
    y[:, 2:4] = x[:, :2]
    y += 1
    yield y


def draw_image(size, channels=3, seed=0):
    return np.random.default_rng(seed).random((*size, channels)).astype(np.float32)


def randomise(module):
    """Gives the norms of a module statistics as a training would, and its weights a unit scale."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.2, generator=rng)
                part.running_var.uniform_(0.5, 2.0, generator=rng)
    return module


def run_torch(module, image, taps):
    """Returns the output of a module, and those of submodules by name, in jaxvis' layout."""
    found = {}

    def keep(name):
        def hook(part, args, output):
            found.setdefault(name, output.detach().clone())

        return hook

    hooks = [part.register_forward_hook(keep(n)) for n, part in module.named_modules() if n in taps]
    with torch.no_grad():
        output = module.eval()(torch.from_numpy(image).permute(2, 0, 1)[None])
    for hook in hooks:
        hook.remove()
    return output, found


def compare(module, size, taps, *, moved=(), tolerance=TOLERANCE):
    """Compares the output and some taps of one random image; returns the network.

    Args:
      module: the module.
      size: of the image.
      taps: paths of submodules.
      moved: those of `taps` whose channels are last in torch too.
      tolerance: relative to the largest number of an output.
    """
    torch.manual_seed(0)
    net, params = jaxvis.from_torch(module, input_size=size)
    image = draw_image(size)
    output, found = run_torch(module, image, taps)
    given = net.apply(params, image)
    assert set(found) == set(taps)
    for tap, value in found.items():
        value = value[0].numpy()
        value = value.transpose(1, 2, 0) if value.ndim == 3 and tap not in moved else value
        check(given[tap], value, tap, tolerance)
    output = output[0].numpy()
    output = output.transpose(1, 2, 0) if output.ndim == 3 else output
    check(given["output"], output, "output", tolerance)
    return net, params


def check(given, expected, name, tolerance=TOLERANCE):
    assert given.shape == expected.shape, name
    error = np.abs(np.asarray(given) - expected).max() / max(np.abs(expected).max(), 1e-3)
    assert error < tolerance, f"{name}: {error}"


def test_every_operation():
    torch.manual_seed(0)
    module = randomise(Everything())
    image = draw_image((24, 20))
    output, _ = run_torch(module, image, ())
    net, params = jaxvis.from_torch(module, input_size=(24, 20))
    given = net.apply(params, image)
    for place, value in enumerate(output):
        value = value[0].numpy()
        tap = f"output.{place}"
        if given[tap].shape != value.shape:
            value = value.transpose(1, 2, 0)
        check(given[tap], value, tap)
    assert "drop" in net.taps and "attention" in net.taps
    assert params["conv"]["kernel"].shape == (3, 3, 3, 8)
    assert params["position"].shape == (8, 1, 1) and params["gain"].shape == ()


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)

    def forward(self, x):
        return {"logits": self.relu(self.conv(self.relu(self.conv(x)))).mean((2, 3)), "map": x + 1}


def test_calls_are_numbered_and_dicts_name_their_taps():
    torch.manual_seed(0)
    module = Twice()
    module.train()
    net, params = jaxvis.from_torch(module, input_size=(6, 5), mean=0.5, std=0.5, channels="BGR")
    assert net.taps == ("input", "conv", "relu", "conv_1", "relu_1", "logits", "map")
    assert net.scores == "logits" and module.training
    image = draw_image((6, 5))
    given = net.apply(params, image)
    first = (image[..., ::-1] - 0.5) / 0.5
    np.testing.assert_allclose(given["input"], first, rtol=1e-5, atol=1e-6)
    kernel, bias = params["conv"]["kernel"][0, 0], params["conv"]["bias"]
    np.testing.assert_allclose(given["conv"], first @ kernel + bias, rtol=1e-4, atol=1e-5)
    second = np.maximum(given["conv"], 0) @ kernel + bias
    np.testing.assert_allclose(given["conv_1"], second, rtol=1e-4, atol=1e-5)
    again, _ = jaxvis.from_torch(module, input_size=(6, 5), mean=0.5, std=0.5, channels="BGR")
    assert again == net and hash(again) == hash(net)
    assert net.apply(params, draw_image((9, 4)))["map"].shape == (9, 4, 3)


def test_grey_and_half_modules():
    module = nn.Conv2d(1, 2, 3).half()
    net, params = jaxvis.from_torch(module, input_size=(5, 5), channels="grey", name="grey")
    assert (net.name, net.channels, net.taps) == ("grey", 1, ("input", "output"))
    assert params["kernel"].dtype == np.float32
    assert net.apply(params, draw_image((5, 5), 1))["output"].shape == (3, 3, 2)


def test_what_cannot_be_read_is_refused_in_one_line():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.inv(x) + torch.fft.fft(x).real

    with pytest.raises(ValueError, match="Odd has operations.*inv.*fft") as error:
        jaxvis.from_torch(Odd(), input_size=(3, 3))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="takes a torch.nn.Module, not a function"):
        jaxvis.from_torch(lambda x: x, input_size=(3, 3))
    with pytest.raises(ValueError, match="cannot be exported for an image"):
        jaxvis.from_torch(nn.Linear(7, 2), input_size=(3, 3))
    with pytest.raises(ValueError, match="leave layout out|takes no layout"):
        jaxvis.from_torch(nn.ReLU(), input_size=(3, 3), layout="CHW")


def test_resnet18(models):
    taps = ("conv1", "layer1.0.conv1", "layer2.0.downsample", "layer3.1", "avgpool")
    module = randomise(models.resnet18())
    net, params = compare(module, (64, 64), taps)
    assert net.scores == "output"
    small = draw_image((48, 40))
    output, _ = run_torch(module, small, ())
    check(net.apply(params, small)["output"], output[0].numpy(), "output of another size")
    run = jaxvis.maximize(net, params, tap="layer1.0", index=[1], recipe="plain", steps=2)
    assert np.isfinite(run.image).all()
    ready = net.prepare(params)
    given = net.apply(ready, small, stop="layer2.1")["layer2.1"]
    check(given, np.asarray(net.apply(params, small)["layer2.1"]), "prepared", 1e-3)


def test_mobilenet_v3_small(models):
    taps = ("features.0", "features.1.block.1", "features.3", "features.12", "classifier.0")
    compare(randomise(models.mobilenet_v3_small()), (64, 64), taps)


def test_convnext(models):
    setting = models.convnext.CNBlockConfig
    module = models.ConvNeXt([setting(8, 16, 1), setting(16, None, 2)], num_classes=7)
    taps = ("features.0", "features.1.0.block.0", "features.1.0.block.3", "features.3", "avgpool")
    compare(module, (32, 32), taps, moved=("features.1.0.block.3",))


def test_vision_transformer(models):
    module = models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=7)
    torch.nn.init.normal_(module.heads.head.weight)
    taps = ("conv_proj", "encoder.layers.encoder_layer_0.mlp.0", "encoder.ln")
    net, params = compare(module, (32, 32), taps)
    with pytest.raises(ValueError, match=r"takes no other than 32x32.*input_size=\(40, 40\)"):
        net.apply(params, draw_image((40, 40)))


def test_swin(models):
    module = models.SwinTransformer([2, 2], 16, [2, 2], [2, 2], [4, 4], num_classes=7)
    taps = ("features.0", "features.1.1", "features.2", "norm")
    compare(module, (32, 32), taps, moved=taps)


def test_blocks_of_inception_and_densenet(models):
    # The name of the module is that of a function too.
    googlenet = importlib.import_module("torchvision.models.googlenet")
    inception = nn.Sequential(
        models.inception.InceptionA(8, 4), googlenet.Inception(228, 4, 4, 6, 2, 3, 5)
    )
    dense = models.densenet._DenseBlock(2, 18, 2, 4, 0.0)
    module = randomise(nn.Sequential(nn.Conv2d(3, 8, 3), inception, dense))
    compare(module, (16, 14), ("0", "1.0.branch3x3dbl_3.conv", "1.1", "2.denselayer2.conv1"))


@pytest.mark.parametrize("name, tap", [("resnet18", "layer2.0"), ("convnext_atto", "stages.1")])
def test_networks_of_timm(name, tap):
    timm = pytest.importorskip("timm")
    compare(randomise(timm.create_model(name)), (64, 64), (tap,))
