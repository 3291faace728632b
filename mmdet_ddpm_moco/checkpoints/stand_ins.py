"""Inert objects in place of what MMEngine saves besides weights.

MMEngine puts its log history, as ``HistoryBuffer`` over numpy arrays, into
each training checkpoint. To allow the real names would mean to allow
``getattr``, which the history's pickle calls, and with that far more.
"""

from typing import Any

# Names that are replaced, with numpy's modules of versions 1 and 2.
_REPLACED = (
    ('mmengine.logging.history_buffer', 'HistoryBuffer'),
    ('builtins', 'getattr'),
    # How Python writes the contents of an array without elements.
    ('builtins', 'bytes'),
    ('numpy', 'ndarray'),
    ('numpy', 'dtype'),
    ('numpy.core.multiarray', '_reconstruct'),
    ('numpy.core.multiarray', 'scalar'),
    ('numpy._core.multiarray', '_reconstruct'),
    ('numpy._core.multiarray', 'scalar'),
)


class Unread:
    """Replaces an object of a checkpoint that is not weights."""

    args: tuple  # of its constructor
    state: Any  # None without one

    def __new__(cls, *args: Any) -> 'Unread':
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


# torch finds an allowed class by these two attributes.
STAND_INS: list[Any] = [
    type(name, (Unread,), {'__module__': module, '__qualname__': name})
    for module, name in _REPLACED
]
