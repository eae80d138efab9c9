"""`kubectl stargate`: the client for people at a terminal. Whatever it does, the client can do too.

`humanize`, `screen` and `tables` are pure: a job and a time in, text out. `output` prints; `app` holds
the commands.
"""
