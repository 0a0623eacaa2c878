"""Which of its teacher's blocks and channels a student may inherit: the choices, by name."""

from __future__ import annotations

from typing import Literal

Policy = Literal["first", "last", "uniform"]
