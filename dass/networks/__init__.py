"""Networks: one residual family, cutting a student out of a teacher, and export."""
