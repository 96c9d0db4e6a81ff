"""What a contact is: its fields, and how bytes become contacts."""
