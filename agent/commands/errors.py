"""How a command ends badly."""


class CommandError(Exception):
    """The command cannot be done. The text says what is wrong and what to do; the exit code is 1."""
