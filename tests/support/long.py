"""Files of tests that take long: a bare `pytest` leaves them out, `make test` does not.

python -m pytest --all --junitxml run.xml    # on a quiet machine, in one process
python -m tests.support.long run.xml         # writes tests/long.txt anew
"""

import argparse
import xml.etree.ElementTree as tree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "long.txt"
SECONDS = 4.0
"""From which a file takes long, what its tests share included."""


def files():
    """Return the files of the list."""
    return frozenset(ROOT / line for line in LIST.read_text().splitlines())


def seconds_of(report):
    """Return what each file took, by a report in JUnit's format."""
    spent = Counter()
    for case in tree.parse(report).iter("testcase"):
        words = case.get("classname").split(".")
        # A class of tests stands behind its module.
        places = (ROOT.joinpath(*words[:end]).with_suffix(".py") for end in (len(words), -1))
        file = next(place for place in places if place.exists())
        spent[file.relative_to(ROOT).as_posix()] += float(case.get("time"))
    return spent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    spent = seconds_of(parser.parse_args().report)
    long = sorted(file for file, seconds in spent.items() if seconds >= SECONDS)
    LIST.write_text("".join(f"{file}\n" for file in long))
    rest = sum(seconds for file, seconds in spent.items() if file not in long)
    print(f"{len(long)} of {len(spent)} files take long; the others {rest:.0f} s in all: {LIST}")


if __name__ == "__main__":
    main()
