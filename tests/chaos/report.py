"""What a siege did and cost, a line of JSON each, so that a killed one goes on where it was."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median

KINDS = (
    *("child", "worker", "queue", "driver", "node"),
    *("store", "full", "disk", "clock", "cut"),
)
"""SIGKILL of processes, a node's power; the store says 503, or that it is full; a node's disk is
full, its clock jumps, its wire is cut."""
MAY_REPEAT = {"cut"}
"""A node that is alive and cannot be heard goes on with what another is given meanwhile."""


class Report:
    """Lines of rounds that were finished, and those of the one under way."""

    def __init__(self, path):
        self._path = Path(path)
        self.rounds, self.faults = {}, []
        self._under_way = []
        for line in self._lines():
            if line["what"] == "round":
                self.rounds[line["round"]] = line
                self.faults += self._under_way
                self._under_way = []
            elif line["what"] == "begin":
                self._under_way = []  # the former try of this round was killed
            else:
                self._under_way.append(line)

    def _lines(self):
        if not self._path.exists():
            return []
        found = []
        for text in self._path.read_text().splitlines():
            try:
                found.append(json.loads(text))
            except json.JSONDecodeError:  # cut off while it was written
                continue
        return found

    def note(self, what, **values):
        """Write a line: `begin` of a round, a `fault`, or a `round` that is over."""
        line = {"what": what, **values}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if what == "begin":
            self._under_way = []
        elif what == "fault":
            self._under_way.append(line)
        else:
            self.rounds[line["round"]] = line
            self.faults += self._under_way
            self._under_way = []

    @property
    def totals(self):
        """Sums over the finished rounds."""
        found = Counter()
        for line in self.rounds.values():
            found.update(line["counts"])
        return dict(found)

    def is_good(self):
        """Return whether nothing was lost, nothing done twice that need not be, all ended well."""
        bad = [
            fault for fault in self.faults if fault["twice"] and fault["kind"] not in MAY_REPEAT
        ]
        codes = {line["code"] for line in self.rounds.values()}
        return self.totals.get("lost", 0) == 0 and not bad and codes <= {1}

    def table(self):
        """Return the report as a table for people."""
        by_kind = defaultdict(list)
        for fault in self.faults:
            by_kind[fault["kind"]].append(fault)
        fated = sum(line["fated"] for line in self.rounds.values())
        lines = [
            "| fault | times | lasted, s: median, most | then lost, s: median, most | twice |",
            "|---|---|---|---|---|",
            f"| a job's own | {fated} | | | |",
        ]
        for kind in KINDS:
            if faults := by_kind[kind]:
                harm, lost = ([fault[name] for fault in faults] for name in ("harm_s", "lost_s"))
                lines.append(
                    f"| {kind} | {len(faults)} | {median(harm):.1f}, {max(harm):.1f} | "
                    f"{median(lost):.1f}, {max(lost):.1f} | {sum(f['twice'] for f in faults)} |"
                )
        seconds = sum(line["seconds"] for line in self.rounds.values())
        mended = sum(fault.get("mended", 0) for fault in self.faults)
        faults, rounds = fated + len(self.faults), len(self.rounds)
        return "\n".join(
            [
                *lines,
                "",
                f"{faults} faults in {rounds} rounds, {seconds:.0f} s; "
                f"nodes that had to be given power again: {mended}; "
                + ", ".join(f"{name}: {value}" for name, value in self.totals.items()),
            ]
        )
