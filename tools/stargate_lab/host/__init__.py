"""The machine: paths, ports, processes, Docker, certificates. Knows nothing of Kubernetes."""
