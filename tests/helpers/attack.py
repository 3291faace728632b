"""A checkpoint whose pickle runs code."""

import os


class Attack:
    """Makes a folder when it is unpickled the unsafe way."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)
