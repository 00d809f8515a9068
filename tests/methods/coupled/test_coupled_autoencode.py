"""The denoising autoencoder: training, resuming, its command, coupling through it."""

import json
from dataclasses import replace

import chex
import jax
import numpy as np
import pytest
from tiny_nets import compilations

from jaxvis.cli import main
from jaxvis.generators import autoencoder
from jaxvis.generators.deep import DeepGenerator
from jaxvis.methods.coupled.autoencode import (
    Denoising,
    decoder_of,
    load_autoencoder,
    reconstruct_images,
    train_autoencoder,
)
from jaxvis.output.io import read_image, write_image
from jaxvis.train.images import from_array
from jaxvis.train.loop import CheckpointFile

DECODER = DeepGenerator(True, True, False, (3, 3, 4), ((8, 2),))
MODEL = autoencoder.Autoencoder(DECODER, (4,), 16)  # 8 x 8 pixels


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Adds a model of 8 x 8 pixels, and leaves JAX's settings alone."""
    monkeypatch.setitem(autoencoder.AUTOENCODERS, "tiny", lambda: MODEL)
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)


def gradients_of_grey(count):
    """Returns `[count, 8, 8, 3]` uint8 that a few numbers describe."""
    random = np.random.default_rng(0)
    ends = random.integers(40, 220, (2, count, 1, 1, 3))
    ramp = np.linspace(0, 1, 8)[None, :, None, None]
    return np.broadcast_to(ends[0] * (1 - ramp) + ends[1] * ramp, (count, 8, 8, 3)).astype(np.uint8)


def test_the_models_are_as_large_as_their_images():
    for name, side in (("despraz", 224), ("small", 32), ("tiny", 8)):
        model = autoencoder.AUTOENCODERS[name]()
        assert model.size == (side, side)
    despraz = jax.eval_shape(autoencoder.despraz_autoencoder().init, jax.random.key(0))
    dense = despraz["params"]["encoder"]["dense1"]["kernel"]
    assert dense.shape == (4608, 2048)  # 3 x 3 x 512, as the paper's


@pytest.mark.slow
def test_it_learns_and_a_resumed_training_is_the_same(tmp_path):
    images, held = (from_array(gradients_of_grey(n)) for n in (24, 4))
    denoising = Denoising(noise=0.05, optimizer="adam", learning_rate=0.01, batch=8)
    options = {"model": "tiny", "denoising": denoising, "validate_every": 20}
    whole = train_autoencoder(images, held, steps=60, **options)
    loss, unseen = whole.curves["loss"][:, 1], whole.curves["validation loss"][:, 1]
    assert loss[-5:].mean() < 0.3 * loss[0]
    chex.assert_tree_all_finite(unseen)
    file = CheckpointFile(tmp_path / "a.safetensors", resume=True)
    train_autoencoder(images, held, steps=25, checkpoint=file, **options)
    rest = train_autoencoder(images, held, steps=60, checkpoint=file, **options)
    # The same programs, one step after the other.
    chex.assert_trees_all_equal(rest.state, whole.state)
    model, state, facts = load_autoencoder(file.path)
    assert model == MODEL and facts["images"] == 24
    decoder = decoder_of(state)
    assert decoder["params"]["alpha"]["alpha"].shape == (MODEL.decoder.code,)
    parts = state["params"]["encoder"], state["statistics"]["encoder"]
    pixels = (np.stack([*images.sources]) / 255).astype(np.float32)
    codes = np.maximum(jax.jit(model.encode)(*parts, pixels)[0], 0)
    assert np.corrcoef(codes.mean(0), decoder["code"])[0, 1] > 0.9
    found = np.asarray(reconstruct_images(model, state, pixels))
    error = np.mean(((found - pixels) * 255 / model.gain) ** 2)
    assert found.shape == pixels.shape and error < 2 * loss[-5:].mean()
    options["denoising"] = replace(denoising, noise=0.2)
    with pytest.raises(ValueError, match="noise 0.05 there, 0.2 here"):
        train_autoencoder(images, held, steps=61, checkpoint=file, **options)


@pytest.mark.slow
def test_a_second_training_compiles_nothing():
    images, held = (from_array(gradients_of_grey(n)) for n in (6, 2))

    def call(seed, steps, noise, rate):
        denoising = Denoising(noise=noise, optimizer="adam", learning_rate=rate, batch=2)
        options = {"model": "tiny", "denoising": denoising, "seed": seed, "steps": steps}
        train_autoencoder(images, held, **options)

    call(0, 1, 0.1, 0.01)
    assert compilations(lambda: call(1, 2, 0.2, 0.02)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "x"}, "optimizer is one of adadelta, adam"),
        ({"noise": -1.0}, "noise is at least 0"),
        ({"learning_rate": 0.0}, "learning_rate is above 0"),
        ({"batch": 0}, "batch is at least 1"),
    ],
)
def test_options_without_a_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Denoising(**options)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("x", "model is one of despraz, small"),
        ("small", r"takes images of \(32, 32\)"),
    ],
)
def test_what_cannot_be_trained_is_refused(model, message):
    images = from_array(gradients_of_grey(2))
    with pytest.raises(ValueError, match=message):
        train_autoencoder(images, images, model=model)


@pytest.fixture
def folder(tmp_path):
    """Returns a folder of six images and one that cannot be read."""
    (tmp_path / "photos").mkdir()
    for i, image in enumerate(gradients_of_grey(6)):
        write_image(tmp_path / "photos" / f"{i}.png", image / 255)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no jpeg")
    return tmp_path / "photos"


@pytest.mark.slow
def test_the_commands_train_and_then_draw(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = [
        "train",
        "autoencoder",
        str(folder),
        "--model",
        "tiny",
        "--out",
        str(out),
        "--optimizer",
        "adam",
        "--batch",
        "2",
        "--validation",
        "0.3",
    ]
    assert main([*words, "--steps", "2"]) == 0
    assert "4 images, 2 held out, 1 file skipped (bad.jpg)" in capsys.readouterr().out
    assert main([*words, "--steps", "4", "--resume"]) == 0
    record = json.loads((out / "record.json").read_text())
    assert record["steps"] == 4 and list(record["skipped"]) == ["bad.jpg"]
    assert record["curves"]["loss"][0] == 4 and len(record["held_out"]) == 2
    for file in ("loss.png", "reconstructions.png"):
        assert (out / file).stat().st_size > 500
    drawn = tmp_path / "drawn"
    words = [
        "generate",
        "demo",
        "--index",
        "1,2+3",
        "--decoder",
        str(out / "autoencoder.safetensors"),
        "--steps",
        "2",
    ]
    assert main([*words, "--out", str(drawn)]) == 0
    record = json.loads((drawn / "record.json").read_text())
    assert [p["index"] for p in record["pictures"]] == ["1", "2+3"]
    assert all(isinstance(p["rank"], int) for p in record["pictures"])
    assert len(list(drawn.glob("*_0.png"))) == 2 and (drawn / "contact.png").exists()
    frozen = tmp_path / "frozen"
    assert main([*words, "--frozen", "--out", str(frozen)]) == 0
    one, two = (read_image(next(f.glob("*1*_0.png"))) for f in (drawn, frozen))
    assert np.abs(one - two).max() > 0.01


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train autoencoder gone --model tiny", "there is no folder gone"),
        ("train autoencoder . --model x", "model is one of"),
        ("train autoencoder . --resume", "name it with --out"),
        ("generate demo --index 1-2", "is no class or channel"),
        ("generate demo --index 1+2,2+1", "names a picture twice"),
        ("generate demo --index 4096", "channels, 0..19"),
        ("generate demo --decoder pyproject.toml", "not a safetensors file"),
        ("generate demo --tap conv99", "no tap 'conv99'"),
    ],
)
def test_mistakes_are_one_line(words, message, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


def test_a_side_that_no_generator_has_is_refused_before_any_work(capsys):
    assert main("generate demo --side 7".split()) == 2
    error = capsys.readouterr().err
    assert "--side" in error and "'32'" in error and "Traceback" not in error
