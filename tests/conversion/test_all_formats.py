"""What all formats have in common, on a small data set of each."""

import cv2
import numpy as np
import pytest

from helpers.coco_maker import split_coco
from helpers.cvat_maker import DENT as CVAT_DENT
from helpers.cvat_maker import write_cvat
from helpers.labelme_maker import DENT as LABELME_DENT
from helpers.labelme_maker import write_labelme
from helpers.mask_maker import tile_dataset
from helpers.voc_maker import (
    by_name,
    flat_dataset,
    kinds,
    snapshot,
    write_image,
    write_list,
)
from helpers.yolo_maker import split_yolo
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.formats import FORMATS
from mmdet_ddpm_moco.conversion.report import FindingsError

SPLITS = ('train', 'val', 'test')
BOX = ('dent', [2, 4, 20, 10])


def labelme_dataset(root):
    for seed in range(1, 11):
        write_labelme(root / f'plates/p_{seed}.png', LABELME_DENT, seed=seed)


MAKERS = dict(
    voc=lambda root: flat_dataset(root, names=('dent',)),
    coco=lambda root: split_coco(root, train=7, val=1, test=2),
    yolo=lambda root: split_yolo(
        root, '{split}/{kind}', dict(train=7, valid=1, test=2)
    ),
    labelme=labelme_dataset,
    cvat=lambda root: write_cvat(
        root, {f'p_{number}.png': [CVAT_DENT] for number in range(10)}
    ),
    masks=tile_dataset,
)


@pytest.fixture(params=FORMATS)
def made(request, tmp_path):
    """Name and folder of a data set of each format."""
    MAKERS[request.param](tmp_path / 'src')
    return request.param, tmp_path / 'src'


def test_a_clean_data_set_passes_strict_mode(made, dst):
    name, src = made
    report = convert_dataset(src, dst, name, strict=True, few_shot=[2])
    sizes = [report.counts[split]['images'] for split in SPLITS]
    assert sizes == ([21, 3, 6] if name == 'masks' else [7, 1, 2])
    if name != 'masks':
        found = by_name(dst, *SPLITS)
        assert all(entry['boxes'] == [BOX] for entry in found.values())
    for image in (dst / 'images').iterdir():
        assert image.is_symlink()
        assert image.exists()


def test_the_same_input_gives_the_same_bytes(made, tmp_path):
    name, src = made
    options = dict(few_shot=[2], seed=3, resplit=True)
    for folder in ('first', 'second', 'first'):
        convert_dataset(src, tmp_path / folder, name, **options)
    first = snapshot(tmp_path / 'first')
    assert snapshot(tmp_path / 'second') == first
    convert_dataset(
        src, tmp_path / 'first', name, few_shot=[2], ratio=(1, 0, 0)
    )
    assert snapshot(tmp_path / 'first') != first


def test_a_conversion_below_the_data_set_is_no_source(made):
    name, src = made
    dst = src / 'converted'
    report = convert_dataset(src, dst, name)
    before = snapshot(src)
    assert convert_dataset(src, dst, name).to_dict() == report.to_dict()
    assert snapshot(src) == before


def test_lists_and_shares_go_before_a_given_split(made, dst, tmp_path):
    name, src = made
    convert_dataset(src, dst, name, ratio=(0.5, 0, 0.5), seed=1)
    names = list(by_name(dst, *SPLITS))
    assert len(by_name(dst, 'train')) == len(by_name(dst, 'test'))
    write_list(tmp_path / 'lists', 'train', *names[1:])
    write_list(tmp_path / 'lists', 'test', names[0])
    convert_dataset(src, dst, name, lists=tmp_path / 'lists')
    assert list(by_name(dst, 'test')) == [names[0]]


def test_equal_images_stay_in_one_drawn_split(made, dst):
    name, src = made
    images = sorted(
        path
        for path in src.rglob('*')
        if path.suffix in ('.png', '.jpg') and is_image(path)
    )
    for path in images[:3]:
        write_image(path, 77)
    for seed in range(3):
        report = convert_dataset(src, dst, name, resplit=True, seed=seed)
        groups = {}
        for split in SPLITS:
            for entry in by_name(dst, split).values():
                groups.setdefault(entry['group'], set()).add(split)
        assert all(len(splits) == 1 for splits in groups.values())
        assert report.groups['images'] == 3


def is_image(path):
    """Not a mask, which is black and white."""
    return len(np.unique(cv2.imread(str(path)))) > 2


def test_findings_are_errors_in_strict_mode(made, dst):
    name, src = made
    folder = next(
        path.parent for path in src.rglob('*') if path.suffix == '.png'
    )
    (folder / 'notes.pdf').write_text('x')
    with pytest.raises(FindingsError, match='1 findings') as caught:
        convert_dataset(src, dst, name, strict=True)
    assert set(kinds(caught.value.report)) == {'stray_file'}
    assert not dst.exists()
