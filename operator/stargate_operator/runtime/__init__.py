"""The process: build it, elect the leader, watch over it, end it."""
