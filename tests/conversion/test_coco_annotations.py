"""Categories, boxes and masks of COCO."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from helpers.coco_maker import (
    BOX,
    coco_json,
    single_coco,
    write_json,
)
from helpers.mask_maker import mask_of
from helpers.voc_maker import (
    by_name,
    kinds,
    load,
    write_image,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.formats.coco import read
from mmdet_ddpm_moco.conversion.layout import SourceFile, SourceTree
from mmdet_ddpm_moco.conversion.report import KINDS, Report

# Everything in train, so that a test reads one file.
WHOLE = dict(ratio=(1, 0, 0), group_near_duplicates=False)


def convert(src, dst, **options):
    return convert_dataset(src, dst, 'coco', **{**WHOLE, **options})


def test_categories_with_gaps_and_an_id_of_zero(tmp_path, dst):
    src = single_coco(
        tmp_path / 'src', {'a.png': [{}, dict(category_id=7)], 'b.png': []}
    )
    report = convert(src, dst)
    assert kinds(report) == dict(
        json_without_objects=['b.png in annotations.json']
    )
    assert load(dst, 'train')['categories'] == [
        dict(id=1, name='dent'), dict(id=2, name='rust'),
    ]  # fmt: skip
    found = by_name(dst, 'train')
    assert found['a.png']['boxes'] == [('dent', BOX), ('rust', BOX)]
    assert found['b.png']['boxes'] == []


def test_masks_are_kept(tmp_path, dst):
    mask = mask_of((3, 5, 20, 4), (3, 9, 5, 16))
    rle = coco_mask.encode(np.asfortranarray(mask // 255))
    rle['counts'] = rle['counts'].decode()
    changes = np.flatnonzero(np.diff(mask.T.ravel(), prepend=0)).tolist()
    counts = np.diff([0, *changes, mask.size]).tolist()
    triangle = [[5, 5, 25, 5, 5.5, 25.25]]
    src = single_coco(
        tmp_path / 'src',
        {
            'a.png': [
                dict(segmentation=rle),
                dict(segmentation=dict(size=[40, 40], counts=counts), id=1,
                     category_id=7),
                dict(segmentation=triangle),
                dict(segmentation=triangle, bbox=[]),
                dict(segmentation=[]),
            ],
        },
    )  # fmt: skip
    assert convert(src, dst).findings == {}
    coco = COCO(dst / 'annotations/train.json')
    entries = coco.loadAnns(coco.getAnnIds())
    for entry in entries[:2]:
        assert np.array_equal(coco.annToMask(entry) * 255, mask)
        assert entry['area'] == (mask > 0).sum()
        assert entry['bbox'] == BOX
    assert entries[2]['segmentation'] == triangle
    assert entries[2]['bbox'] == BOX
    assert entries[2]['area'] == coco.annToMask(entries[2]).sum()
    assert entries[3]['bbox'] == [5, 5, 20, 20.25]
    assert 'segmentation' not in entries[4]


RLE = dict(size=[40, 40], counts=[84, 10, 1506])


def test_brush_masks_of_cvat_are_objects(tmp_path, dst):
    brushed = dict(segmentation=RLE, bbox=[2, 4, 1, 10], iscrowd=1)
    files = {'a.png': [brushed], 'b.png': [dict(brushed, category_id=7)]}
    report = convert(single_coco(tmp_path / 'src', files), dst)
    assert kinds(report) == dict(crowds_are_objects=['annotations.json'])
    assert 'CVAT' in KINDS['crowds_are_objects']
    found = load(dst, 'train')['annotations']
    assert [(a['iscrowd'], a['area']) for a in found] == [(0, 10), (0, 10)]
    assert report.counts['train']['boxes'] == 2


@pytest.mark.parametrize(
    'other', [{}, dict(segmentation=[[5, 5, 25, 5, 5.5, 25.25]])]
)
def test_crowds_beside_objects_stay_crowds(tmp_path, dst, other):
    """As in COCO, where all RLE are crowds and all others polygons."""
    crowd = dict(segmentation=RLE, bbox=[2, 4, 1, 10], iscrowd=1)
    files = {'a.png': [crowd, crowd | dict(category_id=7)], 'b.png': [other]}
    report = convert(single_coco(tmp_path / 'src', files), dst)
    assert kinds(report) == dict(
        crowd_region=['a.png in annotations.json'] * 2
    )
    assert 'CVAT' in KINDS['crowd_region']
    found = load(dst, 'train')['annotations']
    assert [a['iscrowd'] for a in found] == [1, 1, 0]
    # They are no boxes, but neither is their image defect-free.
    counts = report.counts['train']
    assert (counts['boxes'], counts['without_boxes']) == (1, 0)
    assert counts['classes']['rust'] == dict(images=1, boxes=0, groups=1)


@pytest.mark.parametrize('angle', [0, 90, 45.0, None, 'left', 1e400])
def test_boxes_that_were_turned_in_cvat(tmp_path, dst, angle):
    """The box is given as before, and the angle beside it."""
    entry = dict(
        bbox=[10, 20, 20, 4],
        segmentation=[],
        attributes=dict(occluded=False, rotation=angle),
    )
    src = single_coco(tmp_path / 'src', {'a.png': [entry]})
    report = convert(src, dst)
    assert report.findings == {}
    ((_, box),) = by_name(dst, 'train')['a.png']['boxes']
    # A box of 20 x 4 has a diagonal extent of 24 / sqrt(2).
    assert box == {
        90: [18, 12, 4, 20],
        45: [11.51, 13.51, 16.98, 16.98],
    }.get(angle, [10, 20, 20, 4])


def test_outlines_are_turned_already(tmp_path, dst):
    entry = dict(
        bbox=[10, 20, 20, 4],
        segmentation=[[10, 20, 30, 20, 30, 24, 10, 24]],
        attributes=dict(rotation=90),
    )
    convert(single_coco(tmp_path / 'src', {'a.png': [entry]}), dst)
    ((_, box),) = by_name(dst, 'train')['a.png']['boxes']
    assert box == [10, 20, 20, 4]


@pytest.mark.parametrize('word', ['unlabeled', 'Unlabeled', 'UNLABELLED_2'])
def test_a_json_of_unlabeled_images_makes_none_defect_free(
    tmp_path, dst, word
):
    src = single_coco(tmp_path / 'src', {'a.png': [{}]})
    write_image(src / 'images/b.png', seed=5)
    write_json(src / f'{word}.json', coco_json({'b.png': []}))
    report = convert(src, dst)
    assert list(by_name(dst, 'train')) == ['a.png']
    assert [i['file_name'] for i in load(dst, 'unlabeled')['images']] == [
        'b.png'
    ]
    assert kinds(report) == dict(image_without_json=['images/b.png'])


def test_boxes_keep_their_decimals(tmp_path, dst):
    box = [10.3, 0.1, 5.2, 1.2]
    src = single_coco(tmp_path / 'src', {'a.png': [dict(bbox=box)]})
    convert(src, dst)
    assert by_name(dst, 'train')['a.png']['boxes'] == [('dent', box)]


def test_ids_that_are_not_unique(tmp_path, dst):
    src = single_coco(tmp_path / 'src', {'a.png': [{}], 'b.png': [{}]})
    content = json.loads((src / 'annotations.json').read_text())
    content['images'].append(dict(content['images'][0], file_name='c.png'))
    # The same entry once more does no harm.
    content['images'].append(content['images'][1])
    write_image(src / 'images/c.png', 9)
    write_json(src / 'annotations.json', content)
    report = convert(src, dst)
    assert kinds(report) == dict(
        shared_image_id=[f'{n}.png in annotations.json' for n in 'ac'],
        image_without_json=['images/a.png', 'images/c.png'],
    )
    assert set(by_name(dst, 'train')) == {'b.png'}
    content['categories'].append(dict(id=7, name='worn'))
    write_json(src / 'annotations.json', content)
    report = convert(src, dst)
    assert report.findings['broken_json'] == [
        ('annotations.json', 'category id 7 is rust and worn')
    ]


@pytest.mark.parametrize('other', [str, float])
@pytest.mark.parametrize('place', ['images', 'annotations', 'categories'])
def test_ids_of_another_type_are_the_same_ids(tmp_path, dst, place, other):
    src = single_coco(
        tmp_path / 'src', {'a.png': [{}, dict(category_id=7)], 'b.png': []}
    )
    convert(src, tmp_path / 'plain')
    content = json.loads((src / 'annotations.json').read_text())
    for entry in content[place]:
        for key in ('id', 'image_id', 'category_id'):
            if key in entry:
                entry[key] = other(entry[key])
    write_json(src / 'annotations.json', content)
    convert(src, dst)
    assert by_name(dst, 'train') == by_name(tmp_path / 'plain', 'train')


def test_objects_of_no_image_make_no_image_defect_free(tmp_path, dst):
    src = single_coco(tmp_path / 'src', {'a.png': [{}], 'b.png': [{}, {}]})
    content = json.loads((src / 'annotations.json').read_text())
    for entry in content['annotations']:
        entry['image_id'] = f'image {entry["image_id"]}'
    write_json(src / 'annotations.json', content)
    report = convert(src, dst)
    assert report.findings['broken_json'] == [
        (
            'annotations.json',
            'none of 3 objects is of an image that it lists; make each '
            'image_id the id of an image',
        )
    ]
    assert set(by_name(dst, 'unlabeled')) == {'a.png', 'b.png'}


def corners_of(boxes, area=False):
    found = []
    for x, y, w, h in boxes:
        fields = dict(bbox=[x, y, x + w, y + h])
        if area:
            fields['area'] = w * h
        found.append(fields)
    return found


@pytest.mark.parametrize('with_area', [False, True])
def test_corners_instead_of_sizes_are_told(tmp_path, dst, with_area):
    boxes = [(20 + n % 5, 20 + n // 5, 12, 10) for n in range(10)]
    boxes = boxes[:2] if with_area else boxes
    objects = corners_of(boxes, with_area)
    src = single_coco(tmp_path / 'src', {'a.png': objects})
    report = convert(src, dst)
    assert kinds(report) == dict(boxes_are_corners=['annotations.json'])
    found = by_name(dst, 'train')['a.png']['boxes']
    assert found == [('dent', list(box)) for box in boxes]
    # One box that is none as corners, and nothing is certain any more.
    objects.append(dict(bbox=[30, 30, 5, 5]))
    single_coco(tmp_path / 'src', {'a.png': objects})
    assert 'boxes_are_corners' not in convert(src, dst).findings


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 38), st.integers(0, 38), st.integers(1, 40),
            st.integers(1, 40),
        ),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)  # fmt: skip
def test_right_boxes_are_never_taken_for_corners(
    tmp_path_factory, places, with_area
):
    places = [(x, y, min(w, 40 - x), min(h, 40 - y)) for x, y, w, h in places]
    objects = [
        dict(bbox=[x, y, w, h], **(dict(area=w * h) if with_area else {}))
        for x, y, w, h in places
    ]
    report = Report()
    path = tmp_path_factory.mktemp('coco') / 'a.json'
    records = read_json(path, coco_json({'a.png': objects}), report)
    assert report.findings == {}
    (found,) = records.values()
    assert [item.edges for item in found.objects] == [
        (x, y, x + w, y + h) for x, y, w, h in places
    ]


def read_json(path, content, report):
    write_json(path, content)
    file = SourceFile(path, '', '', path.name)
    return read(SourceTree([], [file], []), report)
