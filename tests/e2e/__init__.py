"""Contacts in a warehouse: through real loaders, into what they load."""
