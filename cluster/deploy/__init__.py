"""Clusters: the files that describe them, and how they are watched."""
