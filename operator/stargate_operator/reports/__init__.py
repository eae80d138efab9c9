"""What workers tell the operator, without any Kubernetes rights, and what it answers.

`server` speaks HTTP, `handler` decides on one report, `pending` holds what was reported until it
stands in the job's status. Nothing here writes to the API server, save TokenReviews.
"""
