"""What the predictor must beat."""
