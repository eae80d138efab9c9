"""`make demo`: its steps, its view, and the check of its promises."""
