import base64
import json
import os

import numpy as np
import pytest
from pycocotools.coco import COCO

from helpers.coco_maker import single_coco
from helpers.labelme_maker import DENT, labelme_json, shape, write_labelme
from helpers.mask_maker import mask_of, png
from helpers.voc_maker import by_name, kinds, write_image
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.formats.labelme import parse

SPLITS = ('train', 'val', 'test')
BOX = ('dent', [2, 4, 20, 10])
WHOLE = dict(ratio=(1, 0, 0), group_near_duplicates=False)


def edges_of(*shapes):
    data = json.dumps(labelme_json('a.png', shapes)).encode()
    return [item.edges for item in parse(data).objects]


def test_shapes_become_boxes():
    found = edges_of(
        DENT,
        # Drawn from right to left.
        shape('dent', 'rectangle', (22, 14), (2, 4)),
        # Four corners, as some tools write them.
        shape('dent', 'rectangle', (2, 4), (22, 4), (22, 14), (2, 14)),
        shape('dent', 'polygon', (2, 5), (12, 4), (22, 9.5), (7, 14)),
        shape('dent', None, (2, 5), (12, 4), (22, 9.5), (7, 14)),
        shape('dent', 'rotation', (12, 4), (22, 9), (12, 14), (2, 9)),
    )
    assert found == [(2, 4, 22, 14)] * 6
    assert edges_of(shape('dent', 'circle', (20, 20), (23, 24))) == [
        (15, 15, 25, 25)
    ]


@pytest.mark.parametrize('layout', ['beside', 'apart', 'splits'])
def test_layouts(tmp_path, dst, layout):
    src = tmp_path / 'src'
    for number in range(1, 6):
        split = 'train' if number < 4 else 'val'
        folder = src / split if layout == 'splits' else src / 'images'
        path = folder / f'{number}.jpg'
        write_labelme(path, DENT, seed=number)
        if layout == 'apart':
            (src / 'json').mkdir(exist_ok=True)
            path.with_suffix('.json').rename(src / f'json/{number}.json')
    report = convert_dataset(src, dst, 'labelme')
    assert report.findings == {}
    found = by_name(dst, *SPLITS)
    assert len(found) == 5
    assert all(entry['boxes'] == [BOX] for entry in found.values())
    if layout == 'splits':
        assert set(by_name(dst, 'val')) == {'4.jpg', '5.jpg'}


def test_a_damaged_or_missing_image_does_not_label_another(tmp_path, dst):
    src = tmp_path / 'src'
    for number in range(1, 4):
        write_labelme(src / f'b/{number}.png', DENT, seed=number)
    write_image(src / 'a/1.png', 8)
    write_image(src / 'a/2.png', 9)
    (src / 'b/1.png').write_bytes(b'')
    (src / 'b/2.png').unlink()
    report = convert_dataset(src, dst, 'labelme', **WHOLE)
    assert kinds(report) == dict(
        unreadable_image=['b/1.png'],
        json_without_image=['b/1.json', 'b/2.json'],
        image_without_json=['a/1.png', 'a/2.png'],
    )
    assert set(by_name(dst, 'train')) == {'3.png'}
    assert set(by_name(dst, 'unlabeled')) == {'1.png', '2.png'}


def test_a_copy_has_no_annotation_of_a_missing_image(tmp_path, dst):
    src = tmp_path / 'src'
    for number in range(1, 4):
        write_labelme(src / f'b/{number}.png', DENT, seed=number)
    (src / 'b/1.png').unlink()
    for folder in 'ac':
        write_image(src / folder / '1.png', 8)
    report = convert_dataset(src, dst, 'labelme', **WHOLE)
    assert kinds(report) == dict(
        identical_copy=['c/1.png'],
        json_without_image=['b/1.json'],
        image_without_json=['a/1.png'],
    )


def test_defect_free_images_numbered_like_others(tmp_path, dst):
    src = tmp_path / 'src'
    for number in range(1, 4):
        write_labelme(src / f'dent/{number}.png', DENT, seed=number)
        write_image(src / f'good/{number}.png', 10 + number)
    # What a folder is called counts less than what is drawn.
    write_labelme(src / 'good/4.png', DENT, seed=20)
    report = convert_dataset(src, dst, 'labelme', **WHOLE)
    assert set(kinds(report)) == {'renamed_image'}
    found = by_name(dst, 'train')
    assert len(found) == 7
    assert [found[f'good__{n}.png']['boxes'] for n in (1, 2, 3)] == [[]] * 3
    assert found['4.png']['boxes'] == [BOX]


@pytest.mark.parametrize('free', [False, True])
def test_one_image_in_the_folders_of_two_kinds(tmp_path, dst, free):
    """Its defects are in two files, or one folder says it has none."""
    src = tmp_path / 'src'
    for number in range(1, 4):
        write_labelme(src / f'dent/{number}.png', DENT, seed=number)
    if free:
        write_image(src / 'good/1.png', 1)
    else:
        crack = shape('crack', 'rectangle', (30, 30), (35, 38))
        write_labelme(src / 'crack/1.png', crack, seed=1)
        # As if it had been copied before anything was drawn.
        write_image(src / 'raw/2.png', 2)
    report = convert_dataset(src, dst, 'labelme', **WHOLE)
    found = by_name(dst, 'train')
    if free:
        assert kinds(report) == dict(
            identical_copy=['good/1.png'], copies_disagree=['dent/1.png']
        )
        assert set(found) == {'2.png', '3.png'}
        assert set(by_name(dst, 'unlabeled')) == {'1.png'}
    else:
        assert kinds(report) == dict(
            identical_copy=['dent/1.png', 'raw/2.png'],
            joined_copies=['crack/1.png'],
        )
        boxes = [('crack', [30, 30, 5, 8]), BOX]
        assert found['1.png']['boxes'] == boxes
        assert found['2.png']['boxes'] == [BOX]


def test_a_name_that_is_not_in_utf_8(tmp_path, dst):
    """As archives from a Chinese Windows have them."""
    src = tmp_path / 'src'
    write_labelme(src / '1.png', DENT, seed=1)
    other = src / os.fsdecode('擦花.png'.encode('gbk'))
    (src / '1.png').rename(other)
    with pytest.raises(ValueError, match='not in UTF-8; rename'):
        convert_dataset(src, dst, 'labelme')


def test_tianchi(tmp_path, dst):
    """Sub-folders per kind, four points, Chinese names, no split."""
    src = tmp_path / 'guangdong_round2_train'
    corners = (2, 4), (22, 4), (22, 14), (2, 14)
    for number, name in enumerate(('擦花', '漏底'), start=1):
        write_labelme(
            src / f'单瑕疵样本/{name}/{name}{number}.jpg',
            shape(name, None, *corners),
            seed=number,
        )
    write_image(src / '无瑕疵样本/正常1.jpg', 3)
    write_image(src / '单瑕疵样本/擦花/无标注.jpg', 4)
    report = convert_dataset(
        src, dst, 'labelme', **WHOLE,
        rename={'擦花': 'scratch', '漏底': 'leak'},
    )  # fmt: skip
    assert kinds(report) == dict(
        image_without_json=['单瑕疵样本/擦花/无标注.jpg']
    )
    assert report.options['classes'] == ['leak', 'scratch']
    found = by_name(dst, 'train')
    assert {name: entry['boxes'] for name, entry in found.items()} == {
        '擦花1.jpg': [('scratch', BOX[1])],
        '漏底2.jpg': [('leak', BOX[1])],
        '正常1.jpg': [],
    }
    coco = COCO(dst / 'annotations/train.json')
    for entry in coco.anns.values():
        assert entry['area'] == coco.annToMask(entry).sum() == 200


def test_masks_and_polygons_are_kept(tmp_path, dst):
    triangle = (5, 5), (25, 5), (5.5, 25.25)
    piece = mask_of((0, 0, 20, 4), (0, 0, 5, 10), size=(20, 10))
    encoded = base64.b64encode(png(piece)).decode()
    write_labelme(
        tmp_path / 'src/a.png',
        shape('dent', 'polygon', *triangle),
        shape('dent', 'mask', (2, 4), (21, 13), mask=encoded),
        seed=1,
    )
    report = convert_dataset(tmp_path / 'src', dst, 'labelme', **WHOLE)
    assert report.findings == {}
    coco = COCO(dst / 'annotations/train.json')
    first, second = coco.anns.values()
    assert first['segmentation'] == [[5, 5, 25, 5, 5.5, 25.25]]
    assert second['bbox'] == BOX[1]
    drawn = mask_of((2, 4, 20, 4), (2, 4, 5, 10))
    assert np.array_equal(coco.annToMask(second) * 255, drawn)


def test_every_quirk_passes_and_is_reported(tmp_path, dst):
    src = tmp_path / 'src'
    write_labelme(src / 'good.png', DENT, seed=1)
    write_labelme(src / 'clean.png', seed=2)
    write_labelme(src / 'size.png', DENT, seed=3, size=(80, 70))
    write_labelme(
        src / 'odd.png',
        DENT,
        shape('dent', 'line', (1, 1), (9, 9)),
        shape('dent', 'point', (1, 1)),
        shape('dent', 'polygon', (1, 1), (9, 9)),
        shape('dent', 'rectangle', (1, 'x'), (9, 9)),
        shape('rust', 'mask', (2, 4), (21, 13), mask='!'),
        seed=4,
    )
    write_labelme(src / 'broken.png', seed=5)
    (src / 'broken.json').write_text('{')
    write_labelme(src / 'other.png', seed=6)
    (src / 'other.json').write_text('{"images": []}')
    write_labelme(src / 'empty.png', seed=7)
    (src / 'empty.json').write_text('')
    write_labelme(src / 'copied.png', DENT, seed=8)
    content = labelme_json('..\\images\\original.png', [DENT])
    (src / 'copied.json').write_text(json.dumps(content))
    write_image(src / 'alone.png', 9)
    write_image(src / 'good/ok.png', 10)
    write_image(src / 'ok/good.png', 11)
    (src / 'alone2.json').write_text(json.dumps(labelme_json('x.png')))
    report = convert_dataset(src, dst, 'labelme', **WHOLE)
    assert kinds(report) == dict(
        json_without_objects=['clean.json'],
        size_differs=['size.json'],
        empty_box=['odd.json'] * 2,
        unusable_coordinates=['odd.json'] * 2,
        unusable_mask=['odd.json'],
        broken_json=['broken.json', 'empty.json', 'other.json'],
        filename_differs=['copied.json'],
        image_without_json=['alone.png', 'ok/good.png'],
        json_without_image=['alone2.json'],
        renamed_image=['good.png', 'ok/good.png'],
    )


def test_gbk_of_windows_is_read():
    content = labelme_json(
        'a.png', [shape('擦花', 'rectangle', (1, 1), (2, 2))]
    )
    text = json.dumps(content, ensure_ascii=False)
    for encoding in ('utf-8', 'utf-8-sig', 'gbk'):
        file = parse(text.encode(encoding))
        assert file.objects[0].name == '擦花'
        assert file.guessed_encoding == (encoding == 'gbk')


def test_a_guessed_encoding_is_told(tmp_path, dst):
    """GB18030 also reads, wrongly, what other machines wrote."""
    src = tmp_path / 'src'
    write_image(src / 'a.png')
    content = labelme_json(
        'a.png', [shape('Lunkerähnlich', 'rectangle', (1, 1), (9, 9))]
    )
    text = json.dumps(content, ensure_ascii=False)
    for encoding in ('utf-8', 'cp1252'):
        (src / 'a.json').write_bytes(text.encode(encoding))
        report = convert_dataset(src, dst, 'labelme', ratio=(1, 0, 0))
        assert ('not_utf8' in report.findings) == (encoding == 'cp1252')


def test_another_format_is_one_line(tmp_path, dst):
    src = single_coco(tmp_path / 'src', {'a.png': [{}]})
    with pytest.raises(ValueError, match='none of 1 json files is of label'):
        convert_dataset(src, dst, 'labelme')
    assert not dst.exists()
