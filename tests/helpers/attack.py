"""Checkpoints that run code while they are loaded."""

import io
import os
import pickle
import tarfile

import torch
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION


class Attack:
    """Makes a folder when it is unpickled the unsafe way."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


class _Script(torch.nn.Module):
    def __init__(self, file: str):
        super().__init__()
        self.file = file
        self.size = 0

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.file, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.file, self.training = state
        self.size = torch.from_file(self.file, True, 4).numel()


def save_script(path, file):
    """Saves a TorchScript archive that makes a file when it is loaded."""
    torch.jit.script(_Script(str(file))).save(path)


def save_pickle(path, content):
    """Saves a pickle, as bytes, in the format of torch before 1.6."""
    before = (MAGIC_NUMBER, PROTOCOL_VERSION, {})
    parts = [pickle.dumps(part, 2) for part in before]
    path.write_bytes(b''.join(parts) + content + pickle.dumps([], 2))


def save_tar(path, content):
    """Saves a pickle, as bytes, in the format of torch before 0.2."""
    none = pickle.dumps(0, 2)
    storages = none + pickle.dumps([], 2)
    parts = dict(storages=storages, tensors=none, pickle=content)
    with tarfile.open(path, 'w') as tar:
        for name, data in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
