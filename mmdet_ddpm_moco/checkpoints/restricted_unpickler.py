"""Reads files of ``torch.save`` as weights only, for torch before 2.6.

There torch's own weights-only loader hands TorchScript archives, whose code
runs, and tar files to other loaders (CVE-2025-32434), and takes stand-ins
from torch 2.4 on only. This one refuses both kinds of files, and knows no
more instructions and names than the loader of torch 2.6 does.

torch's functions that read a file are given this module in place of
``pickle``, of which they use ``Unpickler`` and ``load``.
"""

import functools
import pickle
import sys
import tarfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import _weights_only_unpickler, serialization

from .stand_ins import STAND_INS, Unread

# Instructions that build plain types or ask `find_class`. Those that call or
# change something are in the class below; there are no others.
_UNCHANGED = (
    'MARK TUPLE TUPLE1 TUPLE2 TUPLE3 NONE NEWFALSE NEWTRUE EMPTY_TUPLE '
    'EMPTY_LIST EMPTY_DICT EMPTY_SET BININT BININT1 BININT2 LONG1 BINFLOAT '
    'BINUNICODE SHORT_BINSTRING BINGET LONG_BINGET BINPUT LONG_BINPUT GLOBAL '
    'PROTO STOP'
)

# Type stubs know only the public name, which is the one in C.
_PythonUnpickler: Any = pickle._Unpickler

_LISTS = (list,)
_DICTS = (dict, OrderedDict, Counter)


def load_file(path: Path) -> Any:
    """Loads a file of ``torch.save``, zipped or of the older format.

    Raises:
        Exception: Of any type: the file holds more than weights, plain types
            and what has a stand-in, or is damaged.
    """
    this = sys.modules[__name__]
    with path.open('rb') as file:
        if serialization._is_zipfile(file):
            with serialization._open_zipfile_reader(file) as reader:
                # Not torch.load, which asks torch.jit.load for TorchScript.
                return serialization._load(
                    reader, 'cpu', this, encoding='utf-8'
                )
        # The reader of the older format would unpack it.
        _require(not tarfile.is_tarfile(file), 'no tar file')
        file.seek(0)
        return serialization._legacy_load(file, 'cpu', this, encoding='utf-8')


def load(file: BinaryIO, **options: Any) -> Any:
    """Reads one pickle, as ``pickle.load`` does."""
    return Unpickler(file, **options).load()


def _require(met: bool, expected: str) -> None:
    if not met:
        raise pickle.UnpicklingError(f'expected {expected}')


def _latin1(text: str, encoding: str) -> bytes:
    # How the protocol of torch.save writes bytes.
    _require(encoding == 'latin1', 'bytes in latin1')
    return text.encode('latin1')


@functools.cache
def _allowed() -> dict[str, Any]:
    # What torch 2.1 lacks in its list and 2.6 has.
    dtypes = (t for t in vars(torch).values() if isinstance(t, torch.dtype))
    with_state = torch._utils._rebuild_parameter_with_state
    return {
        **_weights_only_unpickler._get_allowed_globals(),
        **{str(dtype): dtype for dtype in dtypes},
        'torch._utils._rebuild_parameter_with_state': with_state,
        'torch.device': torch.device,
        'collections.Counter': Counter,
        '_codecs.encode': _latin1,
        'builtins.bytearray': bytearray,
        'builtins.set': set,
        'builtins.complex': complex,
        **{f'{s.__module__}.{s.__qualname__}': s for s in STAND_INS},
    }


@functools.cache
def _allowed_ids() -> frozenset[int]:
    # By identity: comparing with a tensor would call its ==.
    return frozenset(id(value) for value in _allowed().values())


class Unpickler(_PythonUnpickler):
    """Builds tensors, plain types and stand-ins; refuses all else."""

    dispatch = {
        code: _PythonUnpickler.dispatch[code]
        for code in (getattr(pickle, name)[0] for name in _UNCHANGED.split())
    }

    def find_class(self, module: str, name: str) -> Any:
        # Protocol 2 writes the module's name of Python 2.
        module = 'builtins' if module == '__builtin__' else module
        try:
            return _allowed()[f'{module}.{name}']
        except KeyError:
            msg = f'unsupported GLOBAL {module}.{name}'
            raise pickle.UnpicklingError(msg) from None

    def load_reduce(self) -> None:
        _require(id(self.stack[-2]) in _allowed_ids(), 'an allowed callable')
        super().load_reduce()

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self) -> None:
        _require(id(self.stack[-2]) in _allowed_ids(), 'an allowed class')
        super().load_newobj()

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        if type(made) is torch.Tensor:
            made.set_(*state)
        elif type(made) is OrderedDict:
            made.__dict__.update(state)
        else:
            _require(
                isinstance(made, (torch.nn.Parameter, Unread)),
                'a tensor, OrderedDict or stand-in',
            )
            made.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build

    def load_append(self) -> None:
        _require(type(self.stack[-2]) in _LISTS, 'a list')
        super().load_append()

    dispatch[pickle.APPEND[0]] = load_append

    def load_appends(self) -> None:
        _require(type(self.metastack[-1][-1]) in _LISTS, 'a list')
        super().load_appends()

    dispatch[pickle.APPENDS[0]] = load_appends

    def load_setitem(self) -> None:
        _require(type(self.stack[-3]) in _DICTS, 'a dict')
        super().load_setitem()

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        _require(type(self.metastack[-1][-1]) in _DICTS, 'a dict')
        super().load_setitems()

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_binpersid(self) -> None:
        # Of a storage; the older format also knows classes with source.
        key = self.stack[-1]
        _require(type(key) is tuple and key[0] == 'storage', 'a storage')
        super().load_binpersid()

    dispatch[pickle.BINPERSID[0]] = load_binpersid
