"""Any teacher in, a finished student out: a module for each step of `dass compress`."""
