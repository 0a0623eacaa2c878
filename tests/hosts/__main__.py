"""`python -m tests.hosts COMMAND...`: see `tests.hosts.machines`."""

import sys

from tests.hosts.machines import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
