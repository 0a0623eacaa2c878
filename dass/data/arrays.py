"""Arrays as people save them: images and labels of many spellings, made uint8 and numbers.

What had to be understood is added to a list of notes; what cannot be is refused with the line of
Python that mends it. Knows nothing of files, parts or sources.

Letters in shapes: n images, h rows, w columns, c channels.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from dass.errors import InvalidData

Array = Shaped[np.ndarray, "..."]


def pixels_of(
    arrays: Mapping[str, Array], *, where: str, notes: list[str]
) -> dict[str, UInt8[np.ndarray, "..."]]:
    """Return arrays of images, by their names, as levels of 0 to 255 with the channels last.

    One scale holds for all of them, so that a dark part is not brightened.

    Raises:
        InvalidData: It is not plain what white is.
    """
    others = [array for array in arrays.values() if array.dtype != np.uint8 and array.size]
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise InvalidData(
                f"{name} of {where} must be uint8, but it is {array.dtype} of shape "
                f"{array.shape}: save numbers"
            )
    low = min((float(array.min()) for array in others), default=0.0)
    high = max((float(array.max()) for array in others), default=0.0)
    found = {}
    for name, array in arrays.items():
        levels = _levels(array, name=f"{name} of {where}", span=(low, high))
        if levels.dtype != array.dtype:
            notes.append(f"{name}, {array.dtype} of {low:g} to {high:g}, as levels of 0 to 255")
        found[name] = _channels_last(levels, name, notes=notes)
    return found


def labels_of(
    arrays: Mapping[str, Array], *, names: tuple[str, ...] | None, where: str, notes: list[str]
) -> tuple[dict[str, Int64[np.ndarray, " n"]], tuple[str, ...] | None]:
    """Return arrays of labels, by their names, as numbers; and the names of the classes.

    Args:
        arrays: Numbers, whole numbers as floats, one-hot rows, or names.
        names: Names of the classes, where they are given.
        where: What holds them, for errors.
        notes: What was understood is added here.

    Raises:
        InvalidData: There is not one class for each image.
    """
    flat = {
        name: _one_each(array, name=name, where=where, notes=notes)
        for name, array in arrays.items()
    }
    worded = [name for name, array in flat.items() if array.dtype.kind in "SU"]
    if worded:
        if len(worded) < len(flat):
            numbered = next(name for name in flat if name not in worded)
            raise InvalidData(
                f"Labels of {where} must all be names or all be numbers, but {worded[0]} are "
                f"names and {numbered} are not: save both alike"
            )
        words = {name: texts(array, f"{name} of {where}") for name, array in flat.items()}
        names = names or tuple(sorted({word for each in words.values() for word in each}))
        notes.append(f"{', '.join(words)} as names of {len(names)} classes")
        return {
            name: _places(each, names, f"{name} of {where}") for name, each in words.items()
        }, names
    return {
        name: _whole(array, name=name, where=where, notes=notes) for name, array in flat.items()
    }, names


def texts(array: Array, name: str) -> tuple[str, ...]:
    """Return names held in an array of any dtype, of one axis or with others of length 1.

    Raises:
        InvalidData: They are no text, or a table.
    """
    if array.size != max(array.shape, default=1) or array.dtype.kind not in "SUiufb":
        raise InvalidData(
            f"{name} must be one row of names, but it is {array.dtype} of shape {array.shape}: "
            f"save `np.array(['ant', 'bee'])`"
        )
    flat = array.reshape(-1).tolist()
    try:
        return tuple(
            each.decode() if isinstance(each, bytes) else str(each).strip() for each in flat
        )
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{name} must be UTF-8 where it is bytes, but got: {error}. Save text, "
            f"`np.char.decode(names, 'latin-1')` say"
        ) from error


def _levels(array: Array, *, name: str, span: tuple[float, float]) -> UInt8[np.ndarray, "..."]:
    low, high = span
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind == "b" or (kind == "f" and low >= 0 and high <= 1 + 1e-6):
        unit = np.minimum(array.astype(np.float32), 1)
        return np.asarray(np.rint(unit * 255), dtype=np.uint8)
    whole = kind in "iu" or _is_whole(array)
    if whole and low >= 0 and (1 < high <= 255 or high == 0):
        return array.astype(np.uint8)
    if kind in "iu" and low >= 0 and 255 < high <= 65_535:
        return np.asarray(np.rint(array / 257), dtype=np.uint8)
    mend = "(a - a.min()) / (a.max() - a.min()) * 255"
    if kind == "f" and -1 - 1e-6 <= low < 0 and high <= 1 + 1e-6:
        mend = "(a + 1) * 127.5"
    elif kind in "iu" and low >= 0 and high <= 1:
        mend = "a * 255"
    raise InvalidData(
        f"{name} must be uint8, or floats of 0 to 1, or whole numbers of 0 to 255 or 65535, but "
        f"it is {array.dtype} of {low:g} to {high:g}: convert it, with "
        f"`a = np.nan_to_num(a); a = np.rint({mend}).astype('uint8')` say"
    )


def _is_whole(array: Array) -> bool:
    return bool(np.isfinite(array).all() and (array == np.rint(array)).all())


def _channels_last(
    array: UInt8[np.ndarray, "..."], name: str, *, notes: list[str]
) -> UInt8[np.ndarray, "..."]:
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        return array
    if array.shape[3] in (1, 3):
        notes.append(f"{name} of shape {array.shape} as channels last")
        return array
    notes.append(f"{name} of shape {array.shape} as channels first")
    return array.transpose(0, 2, 3, 1)


def _one_each(array: Array, *, name: str, where: str, notes: list[str]) -> Array:
    """Return labels along one axis: a column is laid down, a one-hot row becomes its place."""
    if array.ndim == 2 and array.shape[1] == 1:
        notes.append(f"{name} of shape {array.shape} as one column")
        return array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "biuf" and array.shape[1] > 1:
        ones = np.isin(array, (0, 1)).all() and (array.sum(axis=1, dtype=np.int64) == 1).all()
        if not ones:
            raise InvalidData(
                f"{name} of {where} must be one class for each image, but it is {array.dtype} of "
                f"shape {array.shape} and not one-hot: choose one column, "
                f"`labels = labels[:, 0]`, or the largest, `labels = labels.argmax(axis=1)`"
            )
        notes.append(f"{name} of shape {array.shape} as one-hot rows")
        return np.asarray(array.argmax(axis=1))
    return array


def _whole(array: Array, *, name: str, where: str, notes: list[str]) -> Int64[np.ndarray, "..."]:
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and _is_whole(array)):
        if array.size:
            notes.append(f"{name}, {array.dtype}, as whole numbers")
        return array.astype(np.int64)
    raise InvalidData(
        f"{name} of {where} must be integers, one for each image, but it is {array.dtype} of "
        f"shape {array.shape} and not whole: convert it, with "
        f"`labels = np.unique(labels, return_inverse=True)[1]` say"
    )


def _places(words: tuple[str, ...], names: tuple[str, ...], name: str) -> Int64[np.ndarray, " n"]:
    place = {each: number for number, each in reversed(list(enumerate(names)))}
    foreign = sorted(set(words) - set(place))
    if foreign:
        raise InvalidData(
            f"{name} must be among class_names, but {foreign[0]!r} is not: correct it or add it"
        )
    return np.array([place[word] for word in words], dtype=np.int64)
