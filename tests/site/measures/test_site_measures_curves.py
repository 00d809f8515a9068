"""Tuning curves: kernels made for an angle or a colour answer to it most."""

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.nets import random_params
from jaxvis.site.measures.curves import KINDS, find_place, measure_tuning
from jaxvis.site.measures.stimuli import (
    ANGLES,
    HUES,
    Place,
    draw_colour,
    draw_grating,
    list_drawings,
    mix_colour,
)

SIDE = 11


def gabor(angle, period, phase=0.0):
    """Returns a Gabor kernel whose stripes have an angle, counter-clockwise from horizontal."""
    down, across = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    turn = np.deg2rad(angle)
    wave = np.cos(2 * np.pi * (across * np.sin(turn) + down * np.cos(turn)) / period + phase)
    envelope = np.exp(-(down**2 + across**2) / (2 * 2.5**2))
    kernel = envelope * wave
    return kernel - envelope * kernel.sum() / envelope.sum()


def make(kernels, channels=3):
    """Returns (net, params) of one convolution with kernels `[f, kh, kw, c]`, and a ReLU."""
    size = kernels.shape[1]
    rows = [
        {"name": "conv", "op": "conv", "width": len(kernels), "size": size, "pad": size // 2},
        {"name": "relu", "op": "relu"},
    ]
    net = jaxvis.from_layers(rows, input_size=(32, 32), channels=channels)
    params = {
        name: dict(row)
        for name, row in random_params(net, jax.random.key(0), preprocess="unit").items()
    }
    params["conv"] |= {"kernel": np.asarray(np.moveaxis(kernels, 0, -1), np.float32)}
    params["conv"]["bias"] = np.full(len(kernels), 0.3, np.float32)
    return net, params


def test_a_gabor_kernel_is_tuned_to_its_angle_whatever_its_phase():
    angles = [0.0, 30.0, 45.0, 97.5, 135.0]
    kernels = np.stack([gabor(a, 6.0, phase) for a in angles for phase in (0, 0.7, np.pi / 2)])
    net, params = make(np.repeat(kernels[..., None], 3, -1) / 3)
    found = measure_tuning(net, params, "conv")
    assert ANGLES[found.angle.argmax(1)].tolist() == np.repeat(angles, 3).tolist()
    # Of 12, 6 and 3 pixels it keeps 6.
    assert found.period == pytest.approx(np.full(15, 6.0))
    # 90 degrees away little is left: the kernel is small.
    peaks, across = found.angle.max(1), np.roll(found.angle, 12, axis=1)
    assert np.all(across[np.arange(15), found.angle.argmax(1)] < 0.05 * peaks)


def test_the_response_to_an_angle_is_half_the_amplitude():
    net, params = make(np.repeat(gabor(90, 6.0)[None, ..., None], 3, -1) / 3)
    (curve,) = measure_tuning(net, params, "conv").angle
    across = np.arange(SIDE) - SIDE // 2
    wave = 0.5 * np.exp(2j * np.pi * across / 6.0)
    amplitude = abs(np.sum(gabor(90, 6.0) * wave[None]))
    assert curve[12] == pytest.approx(amplitude / 2, rel=1e-4)


def test_a_kernel_is_tuned_to_the_hue_that_it_detects():
    kernels = np.zeros((4, 3, 3, 3))
    kernels[0, 1, 1] = (1, -0.5, -0.5)
    kernels[1, 1, 1] = (-1, -1, 2)
    kernels[2, :, 0], kernels[2, :, 2] = (0, 1, 0), (0, -1, 0)
    kernels[3] = -1  # whatever is bright: the mean of all hues is the same
    net, params = make(kernels)
    found = measure_tuning(net, params, "relu")
    assert HUES[found.hue[:3].argmax(1)].tolist() == [0.0, 240.0, 120.0]
    assert [KINDS[kind] for kind in found.kind[:3]] == ["uniform", "uniform", "edge"]
    assert found.hue[3] == pytest.approx(np.zeros(24), abs=1e-5)
    assert found.hue[0].max() == pytest.approx(0.75, rel=1e-3)


def test_grey_networks_have_no_hues():
    net, params = make(gabor(60, 6.0)[None, ..., None], channels=1)
    found = measure_tuning(net, params, "conv")
    assert found.hue is None and found.kind is None
    assert ANGLES[found.angle[0].argmax()] == 60


def test_the_demo_network_is_tuned_to_what_its_classes_are():
    net, params = jaxvis.load("demo")
    found = measure_tuning(net, params, "fc8")
    # Fine stripes: upright, lying, rising, falling. Then red, green, blue and yellow.
    peaks = ANGLES[found.angle[[0, 2, 4, 5]].argmax(1)]
    away = np.abs((peaks - [90, 0, 45, 135] + 90) % 180 - 90)
    assert np.all(away <= 7.5)
    hues = HUES[found.hue[[16, 17, 18, 19]].argmax(1)]
    assert np.abs((hues - [0, 120, 240, 60] + 180) % 360 - 180).max() <= 15


def test_drawings_stand_on_the_field_of_the_middle_unit():
    net, params = jaxvis.load("demo")
    place = find_place(net, params, "conv3_1")
    assert place.field == 22 and place.size[0] >= 22
    half = (place.field - 1) / 2
    assert place.middle[0] - half >= 0 and place.middle[0] + half <= place.size[0] - 1
    assert find_place(net, params, "fc8") == Place((64, 64), 3, (31.5, 31.5), 64)
    assert find_place(net, params, "conv4_2").size == (64, 64)  # not beyond its own image


def test_drawings_are_what_they_are_called():
    place = Place((9, 9), 3, (4.0, 4.0), 3)
    assert place.list_periods() == (12.0, 6.0, 3.0)
    assert Place((99, 99), 3, (4.0, 4.0), 90).list_periods() == pytest.approx((90, 30, 10))
    assert len(list_drawings(place)) == 1 + 3 * 24 * 4 + 24 * 5
    lying, rising = (draw_grating(place, 6.0, angle, 0.0)[..., 0] for angle in (0.0, 45.0))
    assert np.ptp(lying, axis=1).max() < 1e-6 and lying[4, 0] == 1
    # Rising stripes go up to the right.
    assert rising[5, 3] == pytest.approx(rising[3, 5]) and rising[3, 3] < rising[3, 5]
    assert mix_colour(0.0) == pytest.approx([1, 0.25, 0.25])
    edge = draw_colour(place, 0.0, (0, 1))
    assert edge[4, 8] == pytest.approx([1, 0.25, 0.25]) and edge[4, 0] == pytest.approx([0.5] * 3)
    assert 0 <= edge.min() and edge.max() <= 1
