"""Values of the domain. Pure: no clock, no I/O, nothing of other rooms."""
