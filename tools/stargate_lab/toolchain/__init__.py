"""Gets the Kubernetes binaries and Prometheus, and builds the project's images."""
