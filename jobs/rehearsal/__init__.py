"""A build rehearsed: real plan, queue, driver and store code; the rest is simulated."""
