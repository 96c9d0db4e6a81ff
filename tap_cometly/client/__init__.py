"""HTTP: the API's three calls, with limits, retries and errors."""
