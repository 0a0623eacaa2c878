"""Finished students of four kinds of teacher, beside what one would have chosen plainly.

    python -m benchmarks.compress
    python -m benchmarks.compress torchvision --seeds 1 --minutes 4

Runs the examples that compress a network of each library, on images of 64 px with several seeds,
and prints their tables. What is there is not done again. timm and transformers are optional; an
example whose library is missing is left out, and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of teacher, and its images."""

    library: str
    images: str
    after: str = ""
    """Whose teacher it takes, which is then trained first."""

    @property
    def archive(self) -> str:
        """The file of its images."""
        return f"data/images64/{self.images}.npz"


WAYS = {
    "torchvision": Way("torchvision", "flowers5"),
    "onnx": Way("onnx", "flowers5", after="torchvision"),
    "timm": Way("timm", "trashnet"),
    "huggingface": Way("transformers", "dtd10"),
}


def line(way: str, into: Path, *, seeds: int, minutes: float) -> list[str]:
    """Return the command of an example."""
    asked = WAYS[way]
    taken = [str(into / asked.after / "teacher")] if asked.after else []
    return [sys.executable, "-u", str(EXAMPLES / f"compress_{way}.py"), asked.archive,
            str(into / way), str(minutes), str(seeds), *taken]  # fmt: skip


def main() -> None:
    """Compress every way with every seed; all lines go beside the results, tables are printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="*", default=list(WAYS), help=", ".join(WAYS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--into", type=Path, default=Path("runs/compress"))
    told = parser.parse_args()
    for way in told.ways or WAYS:
        if importlib.util.find_spec(WAYS[way].library) is None:
            print(f"{way} is left out: {WAYS[way].library} is not installed")
            continue
        (told.into / way).mkdir(parents=True, exist_ok=True)
        file = told.into / way / "output.txt"
        with file.open("a") as output:
            command = line(way, told.into, seeds=told.seeds, minutes=told.minutes)
            subprocess.run(command, stdout=output, stderr=output, check=True)
        table = file.read_text().rpartition("| network |")[2]
        print(f"{way}, {WAYS[way].images}\n\n| network |{table}", flush=True)


if __name__ == "__main__":
    main()
