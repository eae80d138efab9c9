"""Writes files that are made from code: the chart's reference and dashboard, docs/metrics.md."""
