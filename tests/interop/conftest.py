"""What samplers of mmagic need."""

import pytest

from helpers.mmagic_sampling import DEFECTS, small_extractor
from helpers.tiny_banks import write_generator, write_images
from mmdet_ddpm_moco.interop.extractor_file import export_extractor


@pytest.fixture
def parts(tmp_path):
    """Folders and files of a tiny generator, its images and an extractor."""
    ann_file, folder = write_images(tmp_path / 'data', DEFECTS)
    return dict(
        generator=str(write_generator(tmp_path / 'generator')),
        ann_file=str(ann_file),
        img_prefix=str(folder),
        extractor=str(export_extractor(small_extractor(), tmp_path / 'x.pt')),
    )
