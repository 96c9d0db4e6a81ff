"""Singer tap for Cometly."""
