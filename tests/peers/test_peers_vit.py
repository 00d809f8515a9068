"""Every tap of vision transformers against timm, torchvision and Hugging Face."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from jaxvis.nets import parameter_shapes
from jaxvis.nets.random import PREPROCESSING
from jaxvis.nets.table.layers import shapes, sources
from jaxvis.nets.table.token_ops import resize_positions
from jaxvis.nets.zoo.vit import VitShape, clip_vit, vit
from weights_convert.checkpoint import StoredTensor
from weights_convert.layout import find_arrangement
from weights_convert.names import make_renamer
from weights_convert.vit_names import unify

torch = pytest.importorskip("torch")
# timm and Hugging Face import torchvision, which the fixture makes possible.
pytestmark = pytest.mark.usefixtures("models")

SHAPE = VitShape(patch=8, width=16, depth=2, heads=2, hidden=32, embedding=6)
SIZE = (32, 32)
CLASSES = 5
TOLERANCE = 1e-4
HIDDEN = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}


def _randomise(model):
    """Gives every parameter of a model random values, the norms' scales those about 1."""
    rng = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(0, 0.3, generator=rng)
            if tensor.ndim == 1 and name.endswith("weight"):
                tensor.add_(1)
    return model.eval()


def _convert(net, state):
    """Converts a state_dict to parameters, by the converter's own names and arrangements."""
    at, reads, spec = shapes(net.rows, net.input_size), sources(net.rows), parameter_shapes(net)
    scale, shift = PREPROCESSING["unit"]
    params = {"input": {"scale": np.array(scale), "shift": np.array(shift)}}
    stored = {
        name: StoredTensor(tuple(tensor.shape), tensor.detach().numpy)
        for name, tensor in state.items()
    }
    rename = make_renamer("torch", net)
    for name, tensor in unify(stored, spec).items():
        row, _, leaf = rename(name).rpartition("/")
        arrange = find_arrangement(tensor.shape, spec[row][leaf], "torch", at[reads[row][0]])
        params.setdefault(row, {})[leaf] = np.ascontiguousarray(arrange(tensor.read()))
    assert jax.tree.map(np.shape, params) == spec
    return params


def _see(model, names, image, **options):
    """Returns what modules of a model give for an image `[H, W, 3]`; the first of a tuple."""
    found, hooks = {}, []

    def keep(name):
        def hook(module, given, output):
            found[name] = output[0] if isinstance(output, tuple) else output

        return hook

    modules = dict(model.named_modules())
    for name in names:
        hooks.append(modules[name].register_forward_hook(keep(name)))
    with torch.no_grad():
        out = model(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], **options)
    for hook in hooks:
        hook.remove()
    return {name: value.numpy()[0] for name, value in found.items()}, out


def _image(size=SIZE):
    return np.asarray(jax.random.uniform(jax.random.key(3), (*size, 3)))


def _assert_equal(net, params, seen, image):
    """Compares tap -> sequence `[t, c]` or vector of the peer with the network's taps."""
    taps = net.apply(params, image)
    for tap, wanted in seen.items():
        if wanted.ndim == 1:
            np.testing.assert_allclose(taps[tap], wanted, atol=TOLERANCE, err_msg=tap)
            continue
        patches = wanted[1:].reshape(taps[tap].shape)
        np.testing.assert_allclose(taps[tap], patches, atol=TOLERANCE, err_msg=tap)
        np.testing.assert_allclose(taps[f"{tap}.class"], wanted[0], atol=TOLERANCE, err_msg=tap)


def _tiny_vit(epsilon=1e-6, size=SIZE):
    shape = dataclasses.replace(SHAPE, epsilon=epsilon)
    return vit("tiny_vit", shape, input_size=size, classes=CLASSES)


def _hook_names(block, attention, act):
    """Returns module -> tap of both blocks, from the patterns of the names of modules."""
    table = {}
    for i in (0, 1):
        table[block.format(i)] = f"blocks.{i}"
        table[f"{block.format(i)}.{attention}"] = f"blocks.{i}.attn"
        table[f"{block.format(i)}.{act}"] = f"blocks.{i}.mlp.act"
    return table


def _compare(net, model, names, image, **options):
    params = _convert(net, model.state_dict())
    seen, out = _see(model, names, image, **options)
    _assert_equal(net, params, {names[name]: value for name, value in seen.items()}, image)
    return params, out


def test_torchvision(models):
    model = _randomise(
        models.VisionTransformer(
            image_size=32,
            patch_size=8,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            mlp_dim=32,
            num_classes=CLASSES,
        )
    )
    names = _hook_names("encoder.layers.encoder_layer_{}", "self_attention", "mlp.1")
    names |= {"encoder.ln": "norm", "heads.head": "head"}
    _compare(_tiny_vit(), model, names, _image())


def _timm(module, **options):
    return _randomise(
        module.VisionTransformer(
            img_size=32,
            patch_size=8,
            embed_dim=16,
            depth=2,
            num_heads=2,
            mlp_ratio=2,
            **options,
        )
    )


def test_timm():
    module = pytest.importorskip("timm.models.vision_transformer")
    names = _hook_names("blocks.{}", "attn", "mlp.act") | {"norm": "norm", "head": "head"}
    _compare(_tiny_vit(), _timm(module, num_classes=CLASSES), names, _image())


def test_timm_as_clip():
    module = pytest.importorskip("timm.models.vision_transformer")
    model = _timm(
        module,
        num_classes=6,
        pre_norm=True,
        act_layer="quick_gelu",
        norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-5),
    )
    names = _hook_names("blocks.{}", "attn", "mlp.act") | {"norm_pre": "norm_pre", "norm": "norm"}
    state = {name: value for name, value in model.state_dict().items() if name != "head.bias"}
    with torch.no_grad():
        model.head.bias.zero_()
    net = _tiny_clip()
    seen, out = _see(model, names, _image())
    seen = {names[name]: value for name, value in seen.items()} | {"proj": out.numpy()[0]}
    _assert_equal(net, _convert(net, state), seen, _image())


def _tiny_clip():
    shape = dataclasses.replace(SHAPE, epsilon=1e-5)
    return clip_vit("tiny_clip", shape, input_size=SIZE)


@pytest.mark.parametrize("size", [SIZE, (24, 48)], ids=["native", "another"])
def test_hugging_face_vit(size):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(**HIDDEN, num_labels=CLASSES, layer_norm_eps=1e-12)
    model = _randomise(transformers.ViTForImageClassification(config))
    names = _hook_names("vit.layers.{}", "attention", "mlp.activation_fn")
    names |= {"vit.layernorm": "norm", "classifier": "head"}
    params, _ = _compare(
        _tiny_vit(1e-12), model, names, _image(size), interpolate_pos_encoding=size != SIZE
    )
    old = {_write_old(name): value for name, value in model.state_dict().items()}
    assert "vit.encoder.layer.0.attention.attention.query.weight" in old
    again = _convert(_tiny_vit(1e-12), old)
    jax.tree.map(np.testing.assert_array_equal, again, params)


def _write_old(name):
    """Returns what files of Hugging Face call a parameter that its ViT calls otherwise now."""
    name = name.replace("vit.layers.", "vit.encoder.layer.")
    for new, old in (
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ):
        name = name.replace(new, old)
    return name


def test_hugging_face_clip():
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(**HIDDEN, projection_dim=6)
    model = _randomise(transformers.CLIPVisionModelWithProjection(config))
    names = _hook_names("vision_model.encoder.layers.{}", "self_attn", "mlp.activation_fn")
    names |= {"vision_model.pre_layrnorm": "norm_pre", "vision_model.post_layernorm": "norm.class"}
    names |= {"visual_projection": "proj"}
    params, _ = _compare(_tiny_clip(), model, names, _image())
    # The same numbers as OpenAI writes them, with the text tower beside them.
    state = {_write_openai(name): value for name, value in model.state_dict().items()}
    state["visual.proj"] = state["visual.proj"].T
    for i in (0, 1):
        block = f"visual.transformer.resblocks.{i}.attn."
        for leaf in ("weight", "bias"):
            parts = [state.pop(f"{block}{part}_proj.{leaf}") for part in "qkv"]
            state[f"{block}in_proj_{leaf}"] = torch.cat(parts)
    text = ("transformer.resblocks.0.ln_1.weight", "positional_embedding", "logit_scale")
    again = _convert(_tiny_clip(), state | {name: torch.ones(3) for name in text})
    jax.tree.map(np.testing.assert_array_equal, again, params)


def _write_openai(name):
    for theirs, openai in (
        ("vision_model.", "visual."),
        ("embeddings.class_embedding", "class_embedding"),
        ("embeddings.position_embedding.weight", "positional_embedding"),
        ("embeddings.patch_embedding", "conv1"),
        ("visual_projection.weight", "visual.proj"),
        ("pre_layrnorm", "ln_pre"),
        ("post_layernorm", "ln_post"),
        ("encoder.layers", "transformer.resblocks"),
        ("self_attn", "attn"),
        ("layer_norm", "ln_"),
        ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"),
    ):
        name = name.replace(theirs, openai)
    return name


@pytest.mark.parametrize("size", [(20, 9), (3, 14), (7, 7), (1, 1)])
def test_positions_are_resized_as_torch_does(size):
    positions = np.asarray(jax.random.normal(jax.random.key(0), (7, 7, 3)))
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(positions.transpose(2, 0, 1).copy())[None],
        size=size,
        mode="bicubic",
        align_corners=False,
    )
    got = resize_positions(positions, size)
    np.testing.assert_allclose(got, wanted[0].permute(1, 2, 0), atol=1e-5)
