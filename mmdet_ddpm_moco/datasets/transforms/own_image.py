"""An image that may be painted into, copied only where it must be."""

import sys

import numpy as np


def own_image(results: dict) -> np.ndarray:
    """An image to paint into: the sample's own if nothing else holds it.

    Copying a large image takes longer than pasting windows. But a data set
    or an earlier transform may keep what it gave.

    Args:
        results (dict): With ``img``.

    Returns:
        np.ndarray: ``results['img']``, or a copy of it.
    """
    image = results['img']
    # A view's pixels may be reached through what it is a view of.
    alone = image.base is None and image.flags.writeable
    del image
    if alone and _references(results) == _ALONE:
        return results['img']
    return results['img'].copy()


def _references(results: dict) -> int:
    return sys.getrefcount(results['img'])


# Of an image that nothing but the sample holds.
_ALONE = _references(dict(img=np.empty(0)))
