"""Speech: words spoken by espeak-ng, seen as spectrograms; other voices speak the test part."""

import shutil
import subprocess
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Float
from scipy.signal import resample_poly

from dass.data.rendered.canvas import Picture
from dass.data.rendered.domain import Domain
from dass.data.rendered.sounds import RATE, spectrogram
from dass.errors import InvalidData

PROGRAM = "espeak-ng"
_HEADER = 44
"""Bytes before the samples of a WAV file."""

_COMMANDS: tuple[str, ...] = (
    "yes",
    "no",
    "up",
    "down",
    "left",
    "right",
    "on",
    "off",
    "stop",
    "go",
    "cat",
    "dog",
)
_COMMANDS += ("bird", "tree", "house", "bed", "happy", "wow", "forward", "backward")
_LANGUAGES = ("en-us", "de", "fr-fr", "es", "it", "pl", "fi", "tr", "ru", "cmn", "hi", "sw")
_PHRASES = ("banana telefon", "karavana", "politika musikant", "domino", "samovar")

_TRAIN_VOICES = ("m1", "m3", "m4", "m7", "f1", "f2", "f4")
_TEST_VOICES = ("m2", "m5", "f3")


def require(domain: str) -> None:
    """Check that the speaker is installed.

    Raises:
        InvalidData: It is not.
    """
    if shutil.which(PROGRAM) is None:
        raise InvalidData(
            f"`rendered:{domain}` must have the program {PROGRAM} to speak, but it is not on the "
            f"path: `apt-get install {PROGRAM}`"
        )


@lru_cache(maxsize=2048)
def _speak(text: str, voice: str) -> Float[np.ndarray, " n"]:
    """Return a text as spoken, silence at both ends cut off."""
    command = [PROGRAM, "--stdout", "-v", voice, text]
    done = subprocess.run(command, capture_output=True, check=False)
    samples = np.frombuffer(done.stdout[_HEADER:], dtype="<i2").astype(float)
    loud = np.flatnonzero(np.abs(samples) > 300)
    if done.returncode or not loud.size:
        raise InvalidData(
            f"{PROGRAM} must speak {text!r} as voice {voice}, but it said "
            f"{done.stderr.decode(errors='replace').strip() or 'nothing'}: install its voices, "
            f"`apt-get install {PROGRAM}`"
        )
    return samples[loud[0] : loud[-1] + 1]


def _heard(text: str, language: str, *, rng: np.random.Generator, test: bool) -> Picture:
    """Draw one hearing of a text: a voice, played a little faster or slower, noise, where."""
    voices = _TEST_VOICES if test else _TRAIN_VOICES
    wave = _speak(text, f"{language}+{voices[rng.integers(len(voices))]}")
    wave = resample_poly(wave, int(rng.integers(14, 18)), 44)
    place = int(rng.integers(0, RATE // 4))
    whole = np.zeros(RATE)
    wave = wave[: RATE - place]
    whole[place : place + len(wave)] = wave
    return spectrogram(whole, rng, noise=rng.uniform(0.1, 0.7))


def _command(label: int, rng: np.random.Generator, test: bool) -> Picture:
    return _heard(_COMMANDS[label], "en-us", rng=rng, test=test)


def _language(label: int, rng: np.random.Generator, test: bool) -> Picture:
    text = _PHRASES[rng.integers(len(_PHRASES))]
    return _heard(text, _LANGUAGES[label], rng=rng, test=test)


DOMAINS = (
    Domain(
        name="commands",
        class_names=_COMMANDS,
        draw=_command,
        check=partial(require, "commands"),
    ),
    Domain(
        name="accents",
        class_names=_LANGUAGES,
        draw=_language,
        check=partial(require, "accents"),
    ),
)
