"""Many short jobs through one queue, or one long one by several workers."""
