"""Metrics: what is counted, and what is measured of all jobs. Nothing here decides."""
