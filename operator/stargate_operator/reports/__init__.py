"""The reports of workers, which need no Kubernetes rights, and the operator's answers.

`server` speaks HTTP, `handler` decides on one report, `pending` holds reports until they are in the
job's status. Nothing here writes to the API server, except TokenReviews.
"""
