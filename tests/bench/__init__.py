"""How fast the tap would be on Spaces of any size, in virtual time."""
