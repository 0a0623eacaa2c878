"""The service: students ranked over HTTP and gRPC, on Ray Serve. Knows nothing of jobs."""
