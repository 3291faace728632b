"""Reads untrusted checkpoints as weights only.

A pickle can run any code while it is loaded, and MMEngine's own loader falls
back to an unsafe load when the safe one fails. So the weights are read here
and only a converted file is passed on.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from ..utils.errors import InputError, MissingFileError
from . import restricted_unpickler
from .stand_ins import STAND_INS

# Keys under which frameworks store the weights.
_CONTAINERS = ('state_dict', 'model', 'model_state_dict')
# Most of what else a checkpoint holds that an error names.
_NAMED = 3

# Before, torch's own weights-only loader can be attacked (CVE-2025-32434).
_TORCH_IS_SAFE = TorchVersion(torch.__version__) >= '2.6'


def load_weights_only(path: str | Path) -> dict[str, Any]:
    """Loads a local file to the CPU without running code that is in it.

    Tensors and plain types are loaded unchanged, the log history and numpy
    values of an MMEngine checkpoint as
    :class:`~mmdet_ddpm_moco.checkpoints.stand_ins.Unread`. Names that the
    process allowed elsewhere (``torch.serialization.add_safe_globals``) do
    not count. ``~`` is expanded.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds more than weights and plain data, or it is no
            checkpoint.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        msg = (
            f'checkpoint {path} is not there; give a local file (a URL '
            'must be downloaded first)'
        )
        raise MissingFileError(msg)
    try:
        checkpoint = _load(path)
    except OSError:
        raise
    except Exception as error:
        # A broken file may raise any error, and torch's own message advises
        # an unsafe load.
        raise InputError(_refusal(path, str(error))) from None
    if not isinstance(checkpoint, dict):
        msg = (
            f'{path} holds a {type(checkpoint).__name__}; a checkpoint '
            'must be a dict of weights'
        )
        raise InputError(msg)
    return checkpoint


def _load(path: Path) -> Any:
    if not _TORCH_IS_SAFE:
        return restricted_unpickler.load_file(path)
    serialization = torch.serialization
    allowed_before = serialization.get_safe_globals()
    serialization.clear_safe_globals()
    serialization.add_safe_globals(STAND_INS)
    try:
        with warnings.catch_warnings():
            # About kinds of files that are refused in one line.
            warnings.simplefilter('ignore')
            return torch.load(path, map_location='cpu', weights_only=True)
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(allowed_before)


def _refusal(path: Path, error: str) -> str:
    found = re.search(r'GLOBAL (\S+)', error)
    if found is None:
        return (
            f'{path} is refused: it is damaged, cut short or of another '
            'kind than the weights that torch.save writes'
        )
    return (
        f'{path} is refused: loading it would call {found.group(1)}, and a '
        'file of weights calls nothing; ask for one with the state_dict alone'
    )


def weights_of(
    checkpoint: Mapping[str, Any], path: str | Path
) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name.

    It is a state dict, or a dict that holds one as ``state_dict``, ``model``
    or ``model_state_dict``.

    Raises:
        ValueError: There is no tensor in it.
    """
    inner = (checkpoint.get(name) for name in _CONTAINERS)
    for candidate in (*inner, checkpoint):
        if not isinstance(candidate, Mapping):
            continue
        weights = {
            key: value.detach()
            for key, value in candidate.items()
            if isinstance(key, str) and isinstance(value, Tensor)
        }
        if weights:
            return weights
    others = [f'{k} ({type(v).__name__})' for k, v in checkpoint.items()]
    more = ', ...' if len(others) > _NAMED else ''
    msg = (
        f'{path} holds no weights under {", ".join(_CONTAINERS)} or at the '
        f'top level, only: {", ".join(others[:_NAMED]) or "nothing"}{more}'
    )
    raise InputError(msg)


@contextmanager
def weights_file(path: str | Path) -> Iterator[Path]:
    """Converts an untrusted checkpoint to a file that any loader may read.

    Yields:
        Path: A file of its weights alone, of the same name, removed
        afterwards.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds code, or no weights.
    """
    weights = weights_of(load_weights_only(path), path)
    with TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        torch.save(dict(state_dict=weights), file)
        yield file
