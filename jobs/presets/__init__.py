"""Whole configurations of every job, by name."""
