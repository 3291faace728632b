"""An enlarged box stays in its image."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.datasets.sample_lists import enlarged_box


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    context=st.floats(0, 3),
    min_size=st.integers(1, 80),
)
def test_enlarged_box(data, width, height, context, min_size):
    x = data.draw(st.integers(0, width - 1))
    y = data.draw(st.integers(0, height - 1))
    w = data.draw(st.integers(1, width - x))
    h = data.draw(st.integers(1, height - y))
    left, top, new_w, new_h = enlarged_box(
        (x, y, w, h), (width, height), context, min_size
    )
    for start, length, first, new, limit in (
        (x, w, left, new_w, width),
        (y, h, top, new_h, height),
    ):
        assert 0 <= first <= start
        assert start + length <= first + new <= limit
        wanted = max(length * (1 + context), min_size)
        assert new == limit or wanted <= new < wanted + 1
        centered = abs((first + new / 2) - (start + length / 2)) <= 1
        assert centered or first == 0 or first + new == limit
