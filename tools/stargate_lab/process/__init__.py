"""Programs that run beside a cluster: the operator, the trainers, Prometheus."""
