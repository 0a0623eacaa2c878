"""`python -m tests.chaos`: see `tests.chaos.faults`."""

from tests.chaos.faults import main

if __name__ == "__main__":
    raise SystemExit(main())
