"""`make demo`: its course, its view, and the check of what it promised."""
