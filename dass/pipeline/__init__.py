"""The whole way in one process: search, distil, compress."""
