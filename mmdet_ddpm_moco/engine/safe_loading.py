"""Makes MMEngine read local checkpoints as weights only.

Its own loader falls back to a load that runs code in the file. Inside
:func:`weights_only_loading`, this one reads every local file that MMEngine
asks for: ``load_from``, ``resume`` and each ``Pretrained``. URLs
(``https://...``) go to MMEngine's loaders as before.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, load_from_local

from ..checkpoints.stand_ins import Unread
from ..checkpoints.weights_only import load_weights_only
from ..utils.errors import InputError

# The dtypes of numpy that hold no objects.
_NUMBERS = re.compile('b1|f[248]|[iu][1248]')


@contextmanager
def weights_only_loading() -> Iterator[None]:
    """Reads local checkpoints safely, also those of MMEngine's runs."""
    CheckpointLoader.register_scheme(
        '', loader=load_from_local_weights_only, force=True
    )
    try:
        yield
    finally:
        CheckpointLoader.register_scheme(
            '', loader=load_from_local, force=True
        )


def check_checkpoint(cfg: Config) -> None:
    """Reads the local file in ``load_from`` before a run starts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds code, or is no checkpoint.
    """
    file = cfg.get('load_from')
    if file and '://' not in file:
        load_from_local_weights_only(file)


def load_from_local_weights_only(
    filename: str, map_location: Any = None
) -> dict[str, Any]:
    """Loads a checkpoint as MMEngine's ``load_from_local`` does.

    Args:
        filename (str): A local file.
        map_location (Any): Ignored: tensors are on the CPU, and the caller
            copies them to its device.

    Returns:
        dict: The checkpoint, with its log history.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds more than weights, plain types, log histories
            and numbers of NumPy.
    """
    checkpoint = load_weights_only(filename)
    try:
        return _rebuild(checkpoint, set())
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        msg = (
            f'{filename} is refused: it holds something else than weights '
            'and a log history of MMEngine; have its author save the '
            'state_dict alone'
        )
        raise InputError(msg) from None


def _rebuild(value: Any, seen: set[int]) -> Any:
    """Replaces stand-ins by the objects they stand for, in place."""
    if isinstance(value, Unread):
        return _real(value)
    if isinstance(value, tuple):
        # Never a named tuple, which torch refuses.
        return tuple(_rebuild(item, seen) for item in value)
    if isinstance(value, (dict, list)) and id(value) not in seen:
        seen.add(id(value))
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in list(items):
            value[key] = _rebuild(item, seen)
    return value


def _real(stand_in: Unread) -> Any:
    kind = type(stand_in).__name__
    if kind == 'HistoryBuffer':
        # The methods in its state are those of the class.
        state = stand_in.state
        return HistoryBuffer(
            _array(state['_log_history']),
            _array(state['_count_history']),
            int(state['max_length']),
        )
    if kind == 'scalar':
        dtype, data = stand_in.args
        return np.frombuffer(data, _dtype(dtype))[0]
    return _array(stand_in)


def _array(stand_in: Any) -> np.ndarray:
    if type(stand_in).__name__ != '_reconstruct':
        raise TypeError
    _, shape, dtype, fortran, data = stand_in.state
    if isinstance(data, Unread):  # bytes() stands for none
        data = b''
    array = np.frombuffer(data, _dtype(dtype)).copy()
    return array.reshape(shape, order='F' if fortran else 'C')


def _dtype(stand_in: Any) -> np.dtype:
    if type(stand_in).__name__ != 'dtype':
        raise TypeError
    byte_order = stand_in.state[1]
    name = stand_in.args[0]
    if byte_order not in set('<>|') or not _NUMBERS.fullmatch(name):
        raise ValueError
    return np.dtype(byte_order + name)
