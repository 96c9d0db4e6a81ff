"""What is released, and what releases it."""
