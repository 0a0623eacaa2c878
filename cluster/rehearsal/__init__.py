"""A run on nodes that are only simulated, by the real queue, settling and driver's decisions."""
