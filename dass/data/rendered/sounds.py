"""Sound by formula, seen as spectrograms: instruments, modulations of a carrier, songs of birds.

Frequencies run upwards, time to the right. Knows nothing of recorded sound.

Letters in shapes: n samples.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import zoom

from dass.data.rendered.canvas import SIZE, Picture, finish, paint, unit
from dass.data.rendered.domain import Domain

RATE = 8000
"""Samples a second."""

Wave = Float[np.ndarray, " n"]

_DARK, _WARM = np.array([0.02, 0.0, 0.15]), np.array([1.0, 0.95, 0.5])
_WINDOW = 256


def spectrogram(
    wave: Wave, rng: np.random.Generator, *, noise: float, mel: bool = True
) -> Picture:
    """Draw the spectrum over time, in decibels, after adding noise to the sound."""
    wave = wave / (np.sqrt(np.mean(wave**2)) + 1e-9) + noise * rng.standard_normal(len(wave))
    starts = np.linspace(0, len(wave) - _WINDOW, SIZE).astype(int)
    frames = wave[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:].T
    if mel:
        edges = 128 * (np.exp(np.linspace(0, 1, SIZE) * np.log(20)) - 1) / 19
        place = np.clip(edges, 0, 127)
        low = place.astype(int)
        share = (place - low)[:, None]
        power = (1 - share) * power[low] + share * power[np.minimum(low + 1, 127)]
    else:
        power = power.reshape(SIZE, 2, SIZE).mean(1)
    loud = np.log(power + 0.3)
    return finish(paint(unit(loud)[::-1], _DARK, _WARM), rng, noise=0.03)


_INSTRUMENTS: tuple[str, ...] = (
    "flute",
    "clarinet",
    "violin",
    "trumpet",
    "organ",
    "piano",
    "guitar",
    "bell",
)
_INSTRUMENTS += ("marimba", "snare", "drum", "cymbal", "siren", "voice", "synth bass", "glass")


def _partials(name: str, count: int) -> tuple[Wave, Wave]:
    """Return multiples of the tone and their strengths."""
    k = np.arange(1, count + 1, dtype=float)
    inharmonic = {
        "bell": np.array([0.5, 1, 1.2, 1.5, 2, 2.7, 3.6, 5.1]),
        "marimba": np.array([1, 3.9, 9.2]),
        "glass": np.array([1, 2.32, 4.25, 6.63, 9.38]),
        "drum": np.array([1, 1.59, 2.14, 2.3, 2.65, 2.92]),
    }
    if name in inharmonic:
        multiples = inharmonic[name]
        return multiples, 1 / (1 + np.arange(len(multiples)))
    strengths = {
        "flute": k**-2.5,
        "clarinet": (k % 2 + 0.1) / k,
        "violin": 1 / k,
        "trumpet": np.exp(-(((k - 4) / 3) ** 2)),
        "organ": np.isin(k, (1, 2, 4, 8)) * 1.0,
        "piano": k**-1.5,
        "guitar": np.abs(np.sin(0.7 * k)) / k,
        "voice": np.exp(-(((k - 3) / 1.2) ** 2)) + 0.6 * np.exp(-(((k - 9) / 1.5) ** 2)),
        "synth bass": 1 / np.sqrt(k),
    }
    return k, strengths.get(name, k**-2.0)


_DECAY = {"piano": 2.5, "guitar": 3.5, "bell": 1.6, "marimba": 7.0, "drum": 9.0, "glass": 3.0}
_DECAY |= {"synth bass": 2.0}


def _note(name: str, rng: np.random.Generator, t: Wave) -> Wave:
    tone = rng.uniform(110, 440) * (0.5 if name in ("synth bass", "drum") else 1)
    pitch = np.ones_like(t)
    if name in ("violin", "voice", "flute"):
        depth = {"violin": 0.015, "voice": 0.03, "flute": 0.006}[name]
        pitch = 1 + depth * np.sin(2 * np.pi * rng.uniform(4.5, 7) * t)
    elif name == "siren":
        pitch = 1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.8, 2.5) * t + rng.uniform(0, 6))
    elif name == "drum":
        pitch = 1 + 0.8 * np.exp(-20 * t)
    phase = 2 * np.pi * tone * np.cumsum(pitch) / RATE
    multiples, strengths = _partials(name, 12)
    strengths = strengths * rng.lognormal(0, 0.4, len(strengths))
    heard = multiples * tone < 0.48 * RATE
    fades = _DECAY.get(name, 0.2) * (1 + 0.25 * np.arange(len(multiples))) * rng.uniform(0.7, 1.4)
    wave = np.zeros_like(t)
    for multiple, strength, fade in zip(
        multiples[heard], strengths[heard], fades[heard], strict=True
    ):
        wave += strength * np.exp(-fade * t) * np.sin(multiple * phase + rng.uniform(0, 6.3))
    breath = {"flute": 0.2, "snare": 2.0, "cymbal": 3.0, "trumpet": 0.03}.get(name, 0.0)
    hiss = rng.standard_normal(len(t))
    if name == "cymbal":
        hiss = np.diff(hiss, prepend=0.0)
    fade = {"snare": 12.0, "cymbal": 3.5}.get(name, 0.3)
    return wave * (name not in ("snare", "cymbal")) + breath * hiss * np.exp(-fade * t)


def _instrument(label: int, rng: np.random.Generator, test: bool) -> Picture:
    t = np.arange(RATE) / RATE
    wave = np.zeros(RATE)
    for start in np.sort(rng.uniform(0, 0.7, int(rng.integers(1, 4)))):
        place = int(start * RATE)
        length = RATE - place
        swell = np.minimum(t[:length] / rng.uniform(0.003, 0.03), 1)
        wave[place:] += swell * _note(_INSTRUMENTS[label], rng, t[:length])
    return spectrogram(wave, rng, noise=rng.uniform(0.15, 1.1))


_SIGNALS: tuple[str, ...] = (
    "tone",
    "amplitude",
    "frequency",
    "two tones",
    "rising",
    "falling",
    "on off keying",
)
_SIGNALS += ("frequency keying", "four frequencies", "phase keying", "pulses", "noise band")
_SIGNALS += ("hopping", "sawtooth sweep", "comb", "double sideband")


def _symbols(rng: np.random.Generator, t: Wave, *, of: int) -> Wave:
    """Return a random symbol for each time, some tens a second."""
    rate = rng.uniform(15, 45)
    symbols = rng.integers(0, of, int(rate * t[-1]) + 2)
    return np.asarray(symbols[(rate * t).astype(int)].astype(float))


def _signal(label: int, rng: np.random.Generator, test: bool) -> Picture:
    name, t = _SIGNALS[label], np.arange(RATE) / RATE
    carrier, slow = rng.uniform(900, 2900), rng.uniform(3, 14)
    beat = np.sin(2 * np.pi * slow * t + rng.uniform(0, 6.3))
    wide = rng.uniform(150, 700)
    frequency, loud, turn = np.full(RATE, carrier), np.ones(RATE), np.zeros(RATE)
    if name in ("frequency", "rising", "falling"):
        sweep = beat if name == "frequency" else (2 * t - 1) * (1 if name == "rising" else -1)
        frequency = carrier + wide * sweep
    elif name == "sawtooth sweep":
        frequency = carrier + wide * (2 * (slow * t % 1) - 1)
    elif name in ("frequency keying", "four frequencies"):
        of = 2 if name == "frequency keying" else 4
        frequency = carrier + wide * (2 * _symbols(rng, t, of=of) / (of - 1) - 1)
    elif name == "hopping":
        frequency = 500 + 200 * _symbols(rng, t, of=15)
    elif name == "phase keying":
        turn = np.pi * _symbols(rng, t, of=2)
    elif name in ("amplitude", "on off keying", "pulses", "double sideband"):
        loud = {
            "amplitude": 1 + 0.9 * beat,
            "on off keying": _symbols(rng, t, of=2),
            "pulses": (slow * t % 1 < 0.2) * 1.0,
            "double sideband": np.sin(2 * np.pi * rng.uniform(120, 350) * t),
        }[name]
    wave = loud * np.sin(2 * np.pi * np.cumsum(frequency) / RATE + turn)
    if name == "two tones":
        wave = wave + np.sin(2 * np.pi * (carrier + wide) * t)
    elif name == "comb":
        spacing = rng.uniform(150, 400)
        wave = np.asarray(np.sum([np.sin(2 * np.pi * spacing * k * t) for k in range(2, 10)], 0))
    elif name == "noise band":
        coarse = rng.standard_normal((2, int(wide) + 2))
        grid = np.arange(RATE) * (int(wide) + 1) / RATE
        slow_noise = [np.interp(grid, np.arange(int(wide) + 2), row) for row in coarse]
        angle = 2 * np.pi * carrier * t
        wave = slow_noise[0] * np.cos(angle) + slow_noise[1] * np.sin(angle)
    return spectrogram(wave, rng, noise=rng.uniform(1.2, 4.0), mel=False)


SPECIES = 20
"""Classes of `birdsong`."""


def _song(label: int, rng: np.random.Generator, test: bool) -> Picture:
    """Sing a few syllables; a species has its own, and their order and pace are free."""
    kind = np.random.default_rng([19, label])
    syllables = [
        (kind.uniform(800, 3200, 4), kind.uniform(0.06, 0.25), kind.choice([0, 0, 25, 50]))
        for _ in range(3)
    ]
    wave, place = np.zeros(RATE), rng.uniform(0, 0.2)
    shift, pace = rng.normal(1, 0.07), rng.uniform(0.75, 1.3)
    while place < 0.95:
        knots, length, trill = syllables[rng.integers(len(syllables))]
        count = min(int(length * pace * RATE), RATE - int(place * RATE))
        if count > 16:
            contour = np.asarray(zoom(knots * shift * rng.normal(1, 0.03, 4), count / 4, order=1))
            contour = np.resize(contour, count)
            t = np.arange(count) / RATE
            tone = contour + 120 * np.sin(2 * np.pi * trill * t)
            hull = np.sin(np.pi * np.arange(count) / count) * rng.uniform(0.5, 1.2)
            start = int(place * RATE)
            wave[start : start + count] += hull * np.sin(2 * np.pi * np.cumsum(tone) / RATE)
        place += length * pace + rng.uniform(0.01, 0.08)
    return spectrogram(wave, rng, noise=rng.uniform(0.5, 2.0), mel=False)


DOMAINS = (
    Domain(
        name="instruments",
        class_names=_INSTRUMENTS,
        draw=_instrument,
    ),
    Domain(
        name="signals",
        class_names=_SIGNALS,
        draw=_signal,
    ),
    Domain(
        name="birdsong",
        class_names=tuple(f"species {i:02d}" for i in range(SPECIES)),
        draw=_song,
    ),
)
