"""Searching a space for the best students within a budget."""
