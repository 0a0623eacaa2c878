"""Bytes under keys: a folder, or an object store."""
