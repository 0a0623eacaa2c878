"""How well predictions order measured students, and how certain that is."""
