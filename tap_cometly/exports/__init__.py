"""Asynchronous export jobs: created, polled, downloaded, verified, read."""
