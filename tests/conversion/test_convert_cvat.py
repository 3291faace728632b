import math

import numpy as np
import pytest
from pycocotools.coco import COCO

from helpers.cvat_maker import DENT, cvat_xml, element, write_cvat
from helpers.mask_maker import mask_of
from helpers.voc_maker import by_name, flat_dataset, kinds, write_image
from mmdet_ddpm_moco.conversion.convert import convert_dataset

BOX = ('dent', [2, 4, 20, 10])
WHOLE = dict(ratio=(1, 0, 0), group_near_duplicates=False)


def test_a_task_as_cvat_exports_it(tmp_path, dst):
    src = write_cvat(
        tmp_path / 'src', {'a.png': [DENT], 'sub/b.png': [DENT, DENT]}
    )
    report = convert_dataset(src, dst, 'cvat', **WHOLE)
    assert kinds(report) == dict(
        duplicate_box=['sub/b.png in annotations.xml']
    )
    found = by_name(dst, 'train')
    assert {name: entry['boxes'] for name, entry in found.items()} == {
        'a.png': [BOX], 'b.png': [BOX]
    }  # fmt: skip


@pytest.mark.parametrize('by', ['subset', 'file'])
def test_splits_are_those_of_subsets_or_files(tmp_path, dst, by):
    names = {
        split: [f'{split}_{n}.png' for n in range(count)]
        for split, count in dict(train=3, val=2).items()
    }
    images = {name: [DENT] for part in names.values() for name in part}
    subsets = {name: name.split('_')[0].title() for name in images}
    src = write_cvat(tmp_path / 'src', images, subsets=subsets)
    if by == 'file':
        (src / 'annotations.xml').unlink()
        for split, part in names.items():
            text = cvat_xml({name: [DENT] for name in part})
            (src / f'{split}.xml').write_text(text)
    report = convert_dataset(src, dst, 'cvat')
    assert report.findings == {}
    for split, part in names.items():
        assert list(by_name(dst, split)) == part


def test_each_shape(tmp_path, dst):
    shapes = [
        element('polygon', points='5.00,5.00;25.00,5.00;5.50,25.25'),
        # Of 4 x 3 pixels, row by row: a U.
        element('mask', left=2, top=4, width=4, height=3,
                rle='0, 1, 2, 2, 2, 5'),
        element('box', xtl=10, ytl=20, xbr=30, ybr=24, rotation=90),
        element('ellipse', cx=20, cy=20, rx=8, ry=6),
        element('ellipse', cx=20, cy=20, rx=6, ry=6, rotation=30,
                label='rust'),
    ]  # fmt: skip
    src = write_cvat(tmp_path / 'src', {'a.png': shapes})
    assert convert_dataset(src, dst, 'cvat', **WHOLE).findings == {}
    found = by_name(dst, 'train')['a.png']['boxes']
    assert found == [
        ('dent', [5, 5, 20, 20.25]),
        ('dent', [2, 4, 4, 3]),
        ('dent', [18, 12, 4, 20]),
        ('dent', [12, 14, 16, 12]),
        ('rust', [14, 14, 12, 12]),
    ]
    coco = COCO(dst / 'annotations/train.json')
    polygon, mask, turned, *_ = coco.anns.values()
    assert polygon['segmentation'] == [[5, 5, 25, 5, 5.5, 25.25]]
    drawn = mask_of((2, 4, 1, 2), (5, 4, 1, 2), (2, 6, 4, 1))
    assert np.array_equal(coco.annToMask(mask) * 255, drawn)
    assert math.isclose(turned['area'], 80)


def test_every_quirk_passes_and_is_reported(tmp_path, dst):
    src = write_cvat(
        tmp_path / 'src',
        {
            'good.png': [DENT, '<tag label="x"></tag>'],
            'clean.png': [],
            'line.png': [element('polyline', points='1,1;9,9'), DENT],
            'letters.png': [element('box', xtl='x', ytl=1, xbr=2, ybr=2)],
            'mask.png': [element('mask', left=2, top=4, width=4, height=3,
                                 rle='9, 9')],
            'missing.png': [DENT],
        },
    )  # fmt: skip
    (src / 'images/missing.png').unlink()
    write_image(src / 'images/alone.png', 30)
    (src / 'more.xml').write_text(cvat_xml({'good.png': [DENT]}))
    (src / 'voc.xml').write_text('<annotation></annotation>')
    (src / 'video.xml').write_text('<annotations><track/></annotations>')
    (src / 'half.xml').write_text('<annotations><image')
    report = convert_dataset(src, dst, 'cvat', **WHOLE)

    def named(*names):
        return [f'{name}.png in annotations.xml' for name in names]

    assert kinds(report) == dict(
        xml_without_objects=named('clean'),
        empty_box=named('line'),
        unusable_coordinates=named('letters'),
        no_usable_objects=named('letters'),
        unusable_mask=named('mask'),
        xml_without_image=named('missing'),
        image_without_xml=['images/alone.png'],
        broken_xml=['half.xml', 'video.xml', 'voc.xml'],
    )
    # Joined without a word, since the second place says nothing new.
    assert by_name(dst, 'train')['good.png']['boxes'] == [BOX]


def test_voc_files_are_none_of_cvat(tmp_path, dst):
    src = flat_dataset(tmp_path / 'src', count=1)
    with pytest.raises(ValueError, match=r'none of 2 XML files is of CVAT'):
        convert_dataset(src, dst, 'cvat')
