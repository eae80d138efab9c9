"""`kubectl stargate`: the client for people at a terminal. It knows nothing that the client cannot do.

`words` and `screen` are pure: a job and a moment in, text out. `app` holds the commands.
"""
