"""Errors that a user can fix, distinguished from bugs by their class.

The command line tools print them in one line; anything else keeps its
traceback. Each is also the built-in error that a caller would expect.
"""


class UserError(Exception):
    """An input is wrong; the message says what to do."""


class InputError(UserError, ValueError):
    """A value, or the contents of a file, is wrong."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder is missing."""


class FileConflictError(UserError, FileExistsError):
    """Another file already exists where one is to be written."""


class FileAccessError(UserError, OSError):
    """A file or folder cannot be read or written."""


class ToolFailedError(UserError, ChildProcessError):
    """A tool that was started failed."""


class StackError(UserError, RuntimeError):
    """A library is missing or too old; the message says how to get it.

    Not an ImportError, because MMEngine's look-up of dotted types swallows
    those and reports an unknown type instead.
    """
