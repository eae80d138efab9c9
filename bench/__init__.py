"""Measures the cost of the operator, beside the minimum (the floor) and an Indexed Job.

All of them run on one real control plane with simulated machines, in turns, so that a disturbance
affects all of them. `README.md` explains the comparison and has the last results.
"""
