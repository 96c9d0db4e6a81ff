"""CPU, memory and time of the tap, beside `gzip -dc` and a tap as the SDK's template makes it."""
