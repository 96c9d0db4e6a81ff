"""Sweeps: many runs drawn at random, each of which has to keep every promise."""
