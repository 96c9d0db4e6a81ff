"""What a contact costs in CPU seconds and memory, beside other ways of reading the same ones."""
