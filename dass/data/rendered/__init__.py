"""Rendered images: whole domains of classification, drawn from a seed instead of downloaded."""
