"""Icons: emoji in colour, and pictograms of icon fonts, pasted on random grounds."""

from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from dass.data.rendered.canvas import SIZE, Picture, affine, backdrop, colour, finish
from dass.data.rendered.domain import Domain
from dass.data.rendered.fonts import font, require
from dass.data.rendered.glyphs import inked, stamp

_EMOJI_FONT, _EMOJI_BODY = "NotoColorEmoji.ttf", 109
"""Its pictures have one size, in pixels."""

_FACES = "😀😂🙂😉😊😍😘😜🤔😐😏😒😴😎😕😮😢😭😱😡😷🤒🤢🤠😇🤡🙄😬😵😤"
_THINGS = "🐶🐱🐭🐰🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🍎🍊🍋🍉🍇🍓🍒🍑🥕🌽🍞🧀🍕🍔🚗🚕🚌🚑🚒🚜🏠🏢⛪🏰"
_PICTOGRAMS = tuple(
    map(
        chr,
        (
            *(0xE145, 0xE15B, 0xE5CD, 0xE5CA, 0xE876, 0xE88A, 0xE8B6, 0xE8B8, 0xE87C, 0xE87D),
            *(0xE838, 0xE0BE, 0xE0CD, 0xE0C8, 0xE412, 0xE04B, 0xE037, 0xE034, 0xE047, 0xE050),
            *(0xE53F, 0xE531, 0xE52F, 0xE530, 0xE539, 0xE56C, 0xE541, 0xE8CC, 0xE8F8, 0xE865),
        ),
    )
)


def _emoji(label: int, rng: np.random.Generator, test: bool, *, characters: str) -> Picture:
    face = font(_EMOJI_FONT, _EMOJI_BODY)
    side = 150
    sheet = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    west, north, east, south = face.getbbox(characters[label])
    place = ((side - east - west) / 2, (side - south - north) / 2)
    ImageDraw.Draw(sheet).text(place, characters[label], font=face, embedded_color=True)
    sheet = sheet.resize((SIZE, SIZE), Image.Resampling.BOX)
    shrunk = int(rng.integers(44, 60))
    small = sheet.resize((shrunk, shrunk), Image.Resampling.BILINEAR)
    sheet = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    left, top = map(int, rng.integers(0, SIZE - shrunk + 1, 2))
    sheet.paste(small, (left, top))
    pixels = np.asarray(affine(sheet, rng, turn=0.25, shear=0.2, shift=0.05)) / 255
    weight = pixels[..., 3:] * rng.uniform(0.6, 1)
    body = pixels[..., :3]
    mixing = np.eye(3) * 0.6 + 0.4 * rng.dirichlet(np.ones(3), 3)
    body = body @ mixing.T
    ground = backdrop(rng, colour(rng), strength=0.5)
    ground = ground[rng.permutation(SIZE)] * 0.3 + ground * 0.7
    return finish((1 - weight) * ground + weight * body, rng, noise=0.08)


def _pictogram(label: int, rng: np.random.Generator, test: bool) -> Picture:
    shape = stamp(_PICTOGRAMS[label], "MaterialIcons-Regular.ttf", size=48)
    shrunk = int(rng.integers(38, 56))
    small = shape.resize((shrunk, shrunk), Image.Resampling.BOX)
    shape = Image.new("L", (SIZE, SIZE))
    left, top = map(int, rng.integers(0, SIZE - shrunk + 1, 2))
    shape.paste(small, (left, top))
    return inked(shape, rng, turn=0.2, clutter=0.3)


def _of_emoji(name: str, characters: str) -> Domain:
    return Domain(
        name=name,
        class_names=tuple(f"U+{ord(each):04X}" for each in characters),
        draw=partial(_emoji, characters=characters),
        check=partial(require, (_EMOJI_FONT,), domain=name),
    )


DOMAINS = (
    _of_emoji("faces", _FACES),
    _of_emoji("emoji", _THINGS),
    Domain(
        name="pictograms",
        class_names=tuple(f"U+{ord(each):04X}" for each in _PICTOGRAMS),
        draw=_pictogram,
        check=partial(require, ("MaterialIcons-Regular.ttf",), domain="pictograms"),
    ),
)
