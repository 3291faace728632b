import tracemalloc

import numpy as np
import pytest

from helpers.voc_maker import surface
from mmdet_ddpm_moco.conversion import copies, neighbors
from mmdet_ddpm_moco.conversion.near_duplicates import group_near_duplicates
from mmdet_ddpm_moco.conversion.thumbnails import Chosen, ThumbnailFile


def test_images_come_back_as_they_were():
    images = [surface(*shape, seed=1) for shape in ((5, 9), (2, 1), (40, 7))]
    file = ThumbnailFile()
    places = [file.append(image) for image in images]
    # Writing goes on behind what was read.
    for place, image in zip(places, images):
        np.testing.assert_array_equal(file.read(place), image)
    last = file.append(images[0].T)
    np.testing.assert_array_equal(file.read(last), images[0].T)
    chosen = Chosen(file, [places[2], places[0]])
    assert [image.shape for image in chosen] == [(40, 7), (5, 9)]
    assert [image.shape for image in chosen[1:]] == [(5, 9)]
    file.close()


@pytest.mark.slow
def test_grouping_takes_no_memory_for_the_images(monkeypatch):
    monkeypatch.setattr(neighbors, 'WINDOW', 4)
    monkeypatch.setattr(copies, '_BLOCK', 16)
    file = ThumbnailFile()
    # The second half repeats the first, a little darker.
    for number in range(300):
        image = surface(128, 128, seed=number % 150)
        file.append(image - np.uint8(number // 150))

    def peak(count):
        images = Chosen(file, range(count))
        tracemalloc.start()
        groups = group_near_duplicates(images, list(map(str, range(count))))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert groups == [index % 150 for index in range(count)]
        return found

    peak(20)  # what is made once
    # A thumbnail alone takes 16 KB.
    assert peak(300) - peak(100) < 200 * 1000
    file.close()
