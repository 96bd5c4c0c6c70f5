"""The one kind of error that a user can mend."""


class InputError(ValueError):
    """What was asked for cannot be done; the message shows the value and the remedy.

    The command line prints the message as one line, without a traceback, and exits with 2.
    """


class TaskError(InputError):
    """A task, its data or its settings cannot be used as asked; the message says what would do."""
