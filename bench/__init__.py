"""What the operator costs, side by side with the floor and with an Indexed Job.

All run on one real control plane with simulated machines, in turns, so that what disturbs one
disturbs the others too. `README.md` says what is compared, and holds the last results.
"""
