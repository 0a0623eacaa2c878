"""A user's own classifiers, of any architecture: pictures in, logits out."""
