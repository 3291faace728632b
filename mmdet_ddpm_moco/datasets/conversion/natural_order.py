"""The order in which people count, where 2 comes before 10."""

import re


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts ``a_2`` before ``a_10``.

    Args:
        text (str): A name.

    Returns:
        tuple[tuple[int, str], ...]: The key. Different texts have different
        keys.
    """
    parts = re.findall(r'([0-9]+)|([^0-9]+)', text)
    # The digits themselves tell 1 and 01 apart.
    return tuple(
        (int(digits), digits) if digits else (-1, other)
        for digits, other in parts
    )
