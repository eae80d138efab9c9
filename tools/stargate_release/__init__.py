"""A release: one version, and its notes from the changelog."""
