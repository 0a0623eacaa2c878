"""Characters of living scripts, words, and icons: drawn from fonts, warped, on any ground.

Some fonts draw only the test part. Knows nothing of where fonts lie.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from dass.data.rendered.canvas import (
    SIZE,
    Picture,
    affine,
    backdrop,
    finish,
    mask_of,
    paper_and_ink,
    warp,
)
from dass.data.rendered.domain import Domain
from dass.data.rendered.fonts import font, require

_WEIGHTS = ("Light", "Regular", "Medium", "SemiBold", "Bold", "Black")
CHARACTERS = 20
"""Classes of a script: its first ones."""

_CHARACTER = 50
"""Pixels of a character's body."""


def stamp(text: str, name: str, *, size: int) -> Image.Image:
    """Draw a text in the middle of a square, reduced to fit."""
    face = font(name, size)
    left, top, right, bottom = face.getbbox(text)
    wide, high = right - left, bottom - top
    side = max(SIZE, int(1.15 * max(wide, high)) + 1)
    picture = Image.new("L", (side, side))
    place = ((side - wide) / 2 - left, (side - high) / 2 - top)
    ImageDraw.Draw(picture).text(place, text, fill=255, font=face)
    return picture if side == SIZE else picture.resize((SIZE, SIZE), Image.Resampling.BOX)


def inked(
    picture: Image.Image, rng: np.random.Generator, *, turn: float = 0.15, clutter: float = 0.1
) -> Picture:
    """Warp a stamp and print it on a ground, with a line across it now and then."""
    if rng.random() < clutter:
        ends = rng.uniform(0, SIZE, 4)
        ImageDraw.Draw(picture).line([*map(float, ends)], fill=160, width=int(rng.integers(1, 4)))
    ink = mask_of(affine(picture, rng, turn=turn, shear=0.15, shift=0.05))
    ink = warp(ink, rng, strength=rng.uniform(0, 1.5))
    first, second = paper_and_ink(rng)
    weight = ink[..., None] * rng.uniform(0.75, 1)
    ground = backdrop(rng, first, strength=0.1)
    return finish((1 - weight) * ground + weight * second, rng, noise=0.03)


def _character(
    label: int,
    rng: np.random.Generator,
    test: bool,
    *,
    characters: Sequence[str],
    fonts: tuple[Sequence[str], Sequence[str]],
) -> Picture:
    faces = fonts[test]
    shape = stamp(characters[label], faces[int(rng.integers(len(faces)))], size=_CHARACTER)
    return inked(shape, rng)


def _script(
    name: str,
    characters: str,
    *,
    fonts: tuple[Sequence[str], Sequence[str]],
) -> Domain:
    characters = characters[:CHARACTERS]
    every = tuple(sorted({*fonts[0], *fonts[1]}))
    return Domain(
        name=name,
        class_names=tuple(f"U+{ord(each):04X}" for each in characters),
        draw=partial(_character, characters=characters, fonts=fonts),
        check=partial(require, every, domain=name),
    )


def _noto(*families: str, weights: Sequence[str] = _WEIGHTS) -> list[str]:
    return [f"Noto{family}-{weight}.ttf" for family in families for weight in weights]


_SANS_TEST = ("Medium", "Black")
_KEPT = tuple(weight for weight in _WEIGHTS if weight not in _SANS_TEST)


def _both(script: str) -> tuple[list[str], list[str]]:
    """Return fonts of a script: weights of sans and serif to train on, others to test on."""
    families = (f"Sans{script}", f"Serif{script}")
    return _noto(*families, weights=_KEPT), _noto(*families, weights=_SANS_TEST)


_CJK = (
    ["NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", "NotoSerifCJK-Bold.ttc"],
    ["NotoSerifCJK-Regular.ttc"],
)

# --- words ---------------------------------------------------------------------------------

_WORDS: tuple[str, ...] = (
    "form",
    "from",
    "farm",
    "firm",
    "film",
    "fill",
    "full",
    "fall",
    "hall",
    "ball",
    "bell",
)
_WORDS += ("belt", "bolt", "boat", "coat", "cost", "lost", "last", "list", "lift", "left", "felt")
_LATIN = (
    *("DejaVuSans.ttf", "DejaVuSerif-Bold.ttf", "FreeSerif.ttf", "FreeSansBold.ttf"),
    *("FreeMono.ttf", "NotoSans-Light.ttf", "NotoSerif-Regular.ttf", "NotoSans-CondensedBold.ttf"),
)
_LATIN_TEST = ("DejaVuSerif.ttf", "FreeSans.ttf", "FreeSerifBold.ttf", "NotoSerif-Italic.ttf")


def _word(label: int, rng: np.random.Generator, test: bool) -> Picture:
    faces = _LATIN_TEST if test else _LATIN
    text = _WORDS[label]
    text = (text, text.upper(), text.capitalize())[rng.integers(3)]
    shape = stamp(text, faces[rng.integers(len(faces))], size=26)
    return inked(shape, rng, turn=0.1, clutter=0.1)


DOMAINS = (
    _script("devanagari", "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहअइउए", fonts=_both("Devanagari")),
    _script("ethiopic", "ሀሁሂሃሄለሉሊላሌመሙሚማሜረሩሪራሬሰሱሲሳሴበቡቢባቤ", fonts=_both("Ethiopic")),
    _script("thai", "กขคฆงจฉชซญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหอฮ", fonts=_both("Thai")),
    _script(
        "arabic",
        "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
        fonts=(
            _noto("KufiArabic", "SansArabic", weights=_KEPT),
            _noto("NaskhArabic", weights=("Regular", "Bold")),
        ),
    ),
    _script(
        "hangul",
        "가각간갈감갑강거걱건걸검겁겅고곡곤골곰곱공구국군굴굼굽궁나낙난날남납낭너넉넌널넘",
        fonts=_CJK,
    ),
    _script(
        "hanzi",
        "人入八大太犬天夫未末本木禾米土士王玉主日目白自田由甲申千干于午牛石右左古",
        fonts=_CJK,
    ),
    Domain(
        name="words",
        class_names=_WORDS,
        draw=_word,
        check=partial(require, (*_LATIN, *_LATIN_TEST), domain="words"),
    ),
)
