"""A build rehearsed: real plan, queue, driver and store code; simulated nodes, trainings and S3."""
