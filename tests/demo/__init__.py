"""The tap at work: from a sandbox Cometly through Meltano into PostgreSQL."""
