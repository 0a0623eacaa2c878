"""What a build is to publish, and what a worker does with one job of it."""
