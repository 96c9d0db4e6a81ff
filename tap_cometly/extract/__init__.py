"""How a range is read: by pages or by export jobs, in windows."""
