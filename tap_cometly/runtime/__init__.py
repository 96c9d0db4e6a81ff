"""The process around a sync: clock, signals, background tasks, metrics, progress."""
