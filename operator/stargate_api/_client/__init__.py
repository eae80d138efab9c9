"""How `Client` and `AsyncClient` work. Nothing here is a public name; import `stargate_api` instead.

A call is a generator of steps (`calls`, `watch`); `steps` runs it, `transport` sends its requests.
"""
