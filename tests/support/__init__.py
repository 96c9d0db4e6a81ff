"""What tests and the demo lean on that is not Cometly: a database to load into."""
