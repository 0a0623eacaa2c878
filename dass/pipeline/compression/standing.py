"""How finished compressions stand: teacher, student, and rivals where these were trained, as means
over runs of several seeds.

Reads the folders of compressions. Knows nothing of how they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from dass.errors import InvalidConfig
from dass.pipeline.compression.folder import LEDGER, Folder

INT8 = "student, int8"
"""What the smaller of the student's files is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One finished compression."""

    accuracies: dict[str, float]
    """On test images, in percent, of each network that was trained."""
    milliseconds: dict[str, float]
    """Of a picture, of each network."""
    seconds: float
    """What it took, all steps together."""


def standing(into: str) -> Standing:
    """Read how a finished compression stands.

    Args:
        into: its folder.

    Raises:
        InvalidConfig: it is not finished, or its `work/` is gone.
    """
    whole = Folder(into)
    verify = _found(whole, "verify")
    own = whole.of(f"{verify['size']}px") if "size" in verify else whole
    check, search = _found(own, "check"), _found(own, "search")
    distil, export = _found(whole, "distil"), _found(whole, "export")
    models, taken = export["models"], export["rivals"]
    scores = {
        "teacher": check["test"],
        "student": models["model.onnx"]["scores"],
        INT8: models["model.int8.onnx"]["scores"],
    }
    for name, one in search["rivals"].items():
        if name in distil["rivals"]:
            scores[name] = distil["rivals"][name]
        elif one["architecture"] == verify["architecture"]:
            scores[name] = scores["student"]
    times = {
        "teacher": check["milliseconds"],
        "student": models["model.onnx"]["milliseconds"],
        INT8: models["model.int8.onnx"]["milliseconds"],
        **taken,
    }
    ledger = whole.read(LEDGER) or {"total_seconds": 0.0}
    return Standing(
        accuracies={name: 100 * each["accuracy"] for name, each in scores.items()},
        milliseconds={name: times[name] for name in scores},
        seconds=ledger["total_seconds"],
    )


def standing_table(folders: Sequence[str]) -> str:
    """Write how compressions of several seeds stand: mean and standard deviation over them."""
    found = [standing(each) for each in folders]
    names = list(dict.fromkeys(name for one in found for name in one.accuracies))
    lines = ["| network | test accuracy, % | ms a picture |", "|---|---|---|"]
    for name in names:
        own = [one for one in found if name in one.accuracies]
        reached = _spread([one.accuracies[name] for one in own], digits=1)
        taken = _spread([one.milliseconds[name] for one in own], digits=2)
        lines.append(f"| {name} | {reached} | {taken} |")
    runs = "1 run" if len(found) == 1 else f"{len(found)} runs"
    took = f"{runs}, {_spread([one.seconds for one in found], digits=0)} s each"
    return "\n".join([*lines, "", took])


def _found(folder: Folder, step: str) -> dict[str, Any]:
    found = folder.found(step)
    if found is None:
        raise InvalidConfig(
            f"a compression must be finished, and its work/ be there, to say how it stands, but "
            f"{folder.store.root} lacks its step {step!r}: run the same line again to go on"
        )
    return found


def _spread(values: Sequence[float], *, digits: int) -> str:
    around = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{around}"
