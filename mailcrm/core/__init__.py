"""The rules. Pure: no IO, no clock, no randomness; what a rule needs to know is handed in."""
