"""The commands of `redeemd cloud`."""
