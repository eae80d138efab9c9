"""Clusters to run the operator in: a simulated control plane and fleet, or kind."""
