"""What a release is made of: one version, and the notes that the changelog holds for it."""
