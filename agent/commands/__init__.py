"""What the `redeemd` command does, one module per errand. agent/cli.py reads the arguments and calls these."""
