"""The line to the cloud: its lanes, what is asked over it, and what is told of it."""
