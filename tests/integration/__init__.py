"""The tap against the sandbox, over HTTP: what the failure catalogue asks for."""
