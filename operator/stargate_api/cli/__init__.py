"""`kubectl stargate`: the client for people at a terminal. The client can do all that it does.

`humanize`, `screen` and `tables` are pure: a job and a time in, text out. `output` prints; `app` holds
the commands.
"""
