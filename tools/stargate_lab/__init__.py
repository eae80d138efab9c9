"""The development lab: a real control plane, a simulated fleet and the operator, on one machine.

It serves `make demo`, `make up`, the integration tests and the benchmark. It is never distributed.
"""
