"""What should happen next: one policy per file, pure, the clock handed in."""
