"""Which networks exist: architectures, the spaces they are drawn from, and what they cost."""
