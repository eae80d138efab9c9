"""One job, pass by pass: observe, decide, describe, write, apply, record.

Nothing outside of this room writes jobs or pods.
"""
