"""Textures by formula: mixtures of Gabor waves, noise of several kinds, Turing patterns, moiré.

Knows nothing of photographs of textures.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from dass.data.rendered.canvas import (
    SIZE,
    Field,
    Picture,
    mesh,
    smooth_noise,
    tinted,
    turned,
    unit,
    warp,
)
from dass.data.rendered.domain import Domain

MIXTURES = 20
"""Classes of `gabor`."""


def _gabor(label: int, rng: np.random.Generator, test: bool) -> Picture:
    kind = np.random.default_rng([11, label])
    waves = 2 + label % 3
    frequencies = kind.uniform(3, 11, waves) * rng.normal(1, 0.08, waves)
    angles = kind.uniform(0, np.pi, waves) + rng.normal(0, 0.12) + rng.normal(0, 0.05, waves)
    weights = kind.uniform(0.4, 1, waves) * rng.uniform(0.6, 1.4, waves)
    x, y = mesh()
    total = np.zeros((SIZE, SIZE))
    for frequency, angle, weight in zip(frequencies, angles, weights, strict=True):
        along, _ = turned(x, y, angle=angle)
        patch = smooth_noise(rng, 8.0)
        total += weight * patch * np.sin(np.pi * frequency * along + rng.uniform(0, 2 * np.pi))
    return tinted(unit(total), rng, noise=0.1)


def _spectral(rng: np.random.Generator, *, slope: float, stretch: float) -> Field:
    """Return Gaussian noise whose amplitude falls as frequency to the power of `slope`."""
    rows = np.fft.fftfreq(SIZE)[:, None] * SIZE
    columns = np.fft.fftfreq(SIZE)[None, :] * SIZE * stretch
    gain = (rows**2 + columns**2 + 1) ** (-slope / 2)
    return unit(np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * gain).real)


def _cellular(rng: np.random.Generator, *, points: int, order: int) -> Field:
    """Return Worley noise: distance to the nearest points, or the difference of two of them."""
    tree = cKDTree(rng.uniform(-1.2, 1.2, (points, 2)))
    x, y = mesh()
    near, _ = tree.query(np.stack([x.ravel(), y.ravel()], 1), k=3)
    chosen = near[:, order] if order < 2 else near[:, 1] - near[:, 0]
    return unit(chosen.reshape(SIZE, SIZE))


_NOISES: tuple[str, ...] = (
    "pink",
    "brown",
    "streaks",
    "long streaks",
    "worley few",
    "worley many",
    "worley far",
)
_NOISES += ("cracks few", "cracks many", "ridges", "marble", "wood", "billows", "spots", "foam")


def _noise(label: int, rng: np.random.Generator, test: bool) -> Picture:
    name = _NOISES[label]
    few, many = int(rng.integers(25, 50)), int(rng.integers(60, 110))
    x, y = mesh()
    fine = _spectral(rng, slope=rng.uniform(1.4, 1.8), stretch=1.0)
    if name in ("pink", "brown"):
        low = 0.75 if name == "pink" else 1.2
        field = _spectral(rng, slope=rng.uniform(low, low + 0.4), stretch=1.0)
    elif name.endswith("streaks"):
        stretch = rng.uniform(2, 3.5) if name == "streaks" else rng.uniform(4, 7)
        field = _spectral(rng, slope=rng.uniform(1, 1.5), stretch=stretch)
    elif name.startswith(("worley", "cracks")):
        order = 2 if name.startswith("cracks") else int(name.endswith("far"))
        field = _cellular(rng, points=few if name.endswith("few") else many, order=order)
    elif name == "foam":
        field = np.minimum(
            _cellular(rng, points=few, order=0), _cellular(rng, points=many, order=2)
        )
    elif name in ("ridges", "billows"):
        folded = np.abs(2 * fine - 1)
        field = 1 - folded if name == "ridges" else folded
    elif name == "spots":
        field = np.asarray(ndimage.gaussian_filter((fine > 0.6).astype(float), 1))
    else:
        rings = np.hypot(x + rng.uniform(-2, 2), y * 0.4) if name == "wood" else x
        along, _ = turned(x, y, angle=rng.uniform(-0.5, 0.5)) if name == "marble" else (rings, y)
        field = np.sin(rng.uniform(9, 16) * along + rng.uniform(4, 7) * fine)
    return tinted(unit(field) ** rng.uniform(0.6, 1.6), rng, noise=0.08)


_TURING = tuple((ring, bias) for ring in (1.6, 2.0, 2.5, 3.1) for bias in (-0.25, 0.0, 0.25))


def _turing(label: int, rng: np.random.Generator, test: bool) -> Picture:
    """Let an activator of short reach and an inhibitor of long reach settle."""
    ring, bias = _TURING[label]
    ring, bias = ring * rng.normal(1, 0.05), bias + rng.normal(0, 0.05)
    rows, columns = np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None, :]
    power = -2 * np.pi**2 * (rows**2 + (columns * rng.uniform(0.85, 1.18)) ** 2)
    filters = np.exp(power * ring**2) - np.exp(power * (1.8 * ring) ** 2)
    field = rng.standard_normal((SIZE, SIZE))
    for _ in range(9):
        field = np.fft.ifft2(np.fft.fft2(field) * filters).real
        field = np.tanh(3 * (field / field.std() + bias)) - bias
    field = warp(unit(field), rng, strength=rng.uniform(0, 3))
    return tinted(np.asarray(ndimage.gaussian_filter(field, 0.7)), rng, noise=0.12)


_GRATINGS = ("lines", "circles", "rays", "waves", "spirals")
_MOIRE = tuple(f"{a} on {b}" for i, a in enumerate(_GRATINGS) for b in _GRATINGS[i:])


def _grating(name: str, rng: np.random.Generator) -> Field:
    x, y = mesh()
    x, y = turned(
        x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5), angle=rng.uniform(0, 6.3)
    )
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    rate = rng.uniform(16, 30)
    phase = {
        "lines": rate * x,
        "circles": rate * radius,
        "rays": np.rint(rate) * angle,
        "waves": rate * (x + 0.12 * np.sin(rng.uniform(5, 9) * y)),
        "spirals": rate * radius + np.rint(rng.uniform(2, 6)) * angle,
    }[name]
    return np.asarray(0.5 + 0.5 * np.sin(phase))


def _moire(label: int, rng: np.random.Generator, test: bool) -> Picture:
    first, second = (_grating(name, rng) for name in _MOIRE[label].split(" on "))
    return tinted(first * second if rng.random() < 0.5 else (first + second) / 2, rng, noise=0.1)


DOMAINS = (
    Domain(
        name="gabor",
        class_names=tuple(f"mixture {i:02d}" for i in range(MIXTURES)),
        draw=_gabor,
    ),
    Domain(
        name="noises",
        class_names=_NOISES,
        draw=_noise,
    ),
    Domain(
        name="turing",
        class_names=tuple(f"reach {r}, bias {b}" for r, b in _TURING),
        draw=_turing,
    ),
    Domain(
        name="moire",
        class_names=_MOIRE,
        draw=_moire,
    ),
)
