"""Kubernetes: the manifests of cluster, jobs and service, for KubeRay."""
