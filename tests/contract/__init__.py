"""`cometly-api.md`, sentence by sentence, over HTTP; nothing here knows of the tap."""
