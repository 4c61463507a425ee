"""One day at a till, played with the real parts: `make demo`. Nothing here is used by the agent itself."""
