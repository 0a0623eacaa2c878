"""How a network is trained, on which batches, and what it infers."""
