"""Metrics: counters of events, and gauges over all jobs. Nothing here decides."""
