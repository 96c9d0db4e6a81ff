"""What leaves the tap: RECORD, BATCH and STATE messages on standard output."""
