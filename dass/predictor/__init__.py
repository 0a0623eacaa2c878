"""The predictor: what it reads of a student, and how it learns from records."""
