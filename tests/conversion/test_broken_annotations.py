"""Whatever an annotation file holds, it is read or refused in one line."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.coco_maker import coco_json
from helpers.cvat_maker import DENT, cvat_xml, element
from helpers.labelme_maker import DENT as RECTANGLE
from helpers.labelme_maker import labelme_json, shape
from helpers.yolo_maker import LINE
from mmdet_ddpm_moco.conversion.boxes import clean_boxes
from mmdet_ddpm_moco.conversion.formats import coco, cvat, labelme, yolo
from mmdet_ddpm_moco.conversion.layout import SourceFile, SourceTree
from mmdet_ddpm_moco.conversion.report import Report
from mmdet_ddpm_moco.conversion.shapes import in_pixels

JUNK = st.sampled_from(
    [None, True, -1, 0, 1e30, float('nan'), '', 'x', '7', [], [[]], {},
     [None], [1, 2], {'counts': 'x'}, {'size': [1], 'counts': [1]}]
)  # fmt: skip
COCO = coco_json(
    {
        'a.png': [
            {},
            dict(segmentation=[[1, 1, 9, 1, 9, 9]], iscrowd=1, area=32),
            dict(segmentation=dict(size=[40, 40], counts=[800, 10, 790])),
        ],
        'b.png': [dict(category_id=7)],
    }
)
LABELME = labelme_json(
    'a.png',
    [
        RECTANGLE,
        shape('dent', 'polygon', (1, 1), (9, 1), (9, 9)),
        shape('dent', 'circle', (9, 9), (5, 5)),
        shape('dent', 'mask', (1, 1), (9, 9), mask='aGVsbG8='),
        shape('dent', 'line', (1, 1), (9, 9)),
    ],
)
CVAT = cvat_xml(
    {
        'a.png': [
            DENT,
            element('polygon', points='5,5;25,5;5,25'),
            element('mask', left=2, top=4, width=2, height=1, rle='0,2'),
            element('ellipse', cx=9, cy=9, rx=3, ry=2, rotation=30),
            element('box', xtl=1, ytl=1, xbr=5, ybr=4, rotation=10),
        ]
    }
)


def places(value, path=()):
    """Paths to all values of nested lists and dicts."""
    yield path
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for key, inner in pairs:
        yield from places(inner, (*path, key))


@st.composite
def changed(draw, content):
    """The content with one or two of its values replaced or left out."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 2))):
        *path, last = draw(st.sampled_from([p for p in places(content) if p]))
        target = content
        for key in path:
            target = target[key]
        if draw(st.booleans()):
            target[last] = copy.deepcopy(draw(JUNK))
        else:
            del target[last]
    return content


def read(fmt, path, data):
    """Reads a file and cleans what was read, as a conversion does."""
    path.write_bytes(data)
    file = SourceFile(path, '', '', path.name)
    notes = yolo.read_settings(path.parent) if fmt is yolo else None
    tree = SourceTree([], [file], [], notes)
    try:
        records = fmt.read(tree, Report())
    except ValueError as error:
        assert '\n' not in str(error)
        return
    for record in records.values():
        if record is not None:
            objects = record.objects
            if record.relative:
                objects = [in_pixels(item, 40, 40) for item in objects]
            clean_boxes(objects, 40, 40, 'a', {'dent', 'rust'})


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('broken')
    (path / 'classes.txt').write_text('dent\nrust\n')
    return path


@settings(max_examples=60, deadline=None)
@given(changed(COCO))
def test_coco(folder, content):
    read(coco, folder / 'a.json', json.dumps(content).encode())


@settings(max_examples=60, deadline=None)
@given(changed(LABELME))
def test_labelme(folder, content):
    read(labelme, folder / 'a.json', json.dumps(content).encode())


TEXTS = st.text('0123456789.,;- x\n"<>/', max_size=6)


@pytest.mark.parametrize(
    ('fmt', 'text'), [(cvat, CVAT), (yolo, f'{LINE}\n1 0 0 1 0 1 1\n')]
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_texts(folder, fmt, text, data):
    start = data.draw(st.integers(0, len(text)))
    end = start + data.draw(st.integers(0, 6))
    text = text[:start] + data.draw(TEXTS) + text[end:]
    read(fmt, folder / 'a.any', text.encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes(folder, data):
    for fmt in (coco, labelme, cvat, yolo):
        read(fmt, folder / 'a.any', data)
