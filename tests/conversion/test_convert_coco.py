import json

import pytest

from helpers.coco_maker import (
    BOX,
    coco_json,
    single_coco,
    split_coco,
    write_json,
)
from helpers.voc_maker import (
    by_name,
    flat_dataset,
    kinds,
    load,
    snapshot,
    write_image,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.report import FindingsError

SPLITS = ('train', 'val', 'test')
# Everything in train, so that a test reads one file.
WHOLE = dict(ratio=(1, 0, 0), group_near_duplicates=False)


def convert(src, dst, **options):
    return convert_dataset(src, dst, 'coco', **{**WHOLE, **options})


@pytest.mark.parametrize('layout', ['plain', 'coco', 'roboflow'])
def test_layouts_with_a_json_per_split(tmp_path, dst, layout):
    val = 'valid' if layout == 'roboflow' else 'val'
    counts = dict(train=4, test=3) | {val: 2}
    src = split_coco(tmp_path / 'src', layout, **counts)
    report = convert_dataset(src, dst, 'coco')
    assert report.findings == {}
    assert report.options['splits'] == 'given'
    for split, name in zip(SPLITS, ('train', val, 'test')):
        found = by_name(dst, split)
        assert set(found) == {
            f'{name}_{number}.png' for number in range(1, counts[name] + 1)
        }
        for entry in found.values():
            assert entry['boxes'] == [('dent', BOX)]
    convert_dataset(src, dst, 'coco', resplit=True)
    assert list(by_name(dst, 'train')) != list(by_name(dst, 'test'))


def test_a_voc_data_set_converted_twice_is_the_same(src, dst, tmp_path):
    convert_dataset(src, dst)
    again = tmp_path / 'again'
    report = convert_dataset(dst, again, 'coco')
    assert report.findings == {}
    for split in SPLITS:
        first, second = load(dst, split), load(again, split)
        assert first['annotations'] == second['annotations']
        assert first['images'] == second['images']


@pytest.mark.parametrize('flat', [False, True])
def test_images_of_one_name_of_which_one_is_missing(tmp_path, dst, flat):
    """What is listed for one is not taken for the other."""
    src = single_coco(
        tmp_path / 'src',
        {
            'cam1/1.png': [dict(bbox=[5, 5, 9, 9])],
            'cam2/1.png': [dict(bbox=[15, 5, 9, 9])],
            'cam1/2.png': [{}],
        },
    )
    (only,) = src.rglob('cam2/1.png')
    only.unlink()
    if flat:  # nothing tells which of both it is
        (left,) = src.rglob('cam1/1.png')
        left.rename(left.parent.parent / '1.png')
    report = convert(src, dst)
    assert len(kinds(report).pop('json_without_image')) == (2 if flat else 1)
    found = by_name(dst, 'train', 'unlabeled')
    assert set(found) == {'1.png', '2.png'}
    if not flat:
        assert found['1.png']['boxes'] == [('dent', [5, 5, 9, 9])]
    else:
        assert set(by_name(dst, 'unlabeled')) == {'1.png'}


def test_every_quirk_passes_and_is_reported(tmp_path, dst):
    src = single_coco(
        tmp_path / 'src',
        {
            'beyond.png': [dict(bbox=[30, 30, 20, 20])],
            'outside.png': [dict(bbox=[50, 5, 9, 9])],
            'empty.png': [dict(bbox=[5, 5, 0, 9]), {}],
            'letters.png': [dict(bbox=[5, 'x', 9, 9]), {}],
            'short.png': [dict(bbox=[5, 9, 9]), {}],
            'twice.png': [{}, {}],
            'crowd.png': [dict(iscrowd=1), {}],
            'unknown.png': [dict(category_id=3)],
            'rle.png': [dict(segmentation=dict(size=[9, 9], counts='x'))],
            'line.png': [dict(segmentation=[[1, 1, 9, 9]])],
            'thin.png': [dict(segmentation=[[1, 1, 9, 1, 1, 1]])],
            'missing.png': [{}],
            'sub\\folder\\windows.png': [{}],
        },
    )
    (src / 'images/missing.png').unlink()
    write_image(src / 'images/alone.png', 50)
    write_image(src / 'images/small.png', 51, size=(30, 40))
    write_image(src / 'images/renamed.JPG', 52)
    content = json.loads((src / 'annotations.json').read_text())
    extra = coco_json({'small.png': [{}], 'Renamed.jpg': [{}]}, first_id=90)
    content['images'] += extra['images']
    content['annotations'] += extra['annotations']
    content['annotations'].append(dict(image_id=99, bbox=BOX))
    write_json(src / 'annotations.json', content)
    write_json(src / 'images/settings.json', dict(version=1))
    (src / 'images/notes.txt').write_text('x')
    (src / 'README.txt').write_text('not beside images')
    report = convert(src, dst)

    def named(*names):
        return [f'{name}.png in annotations.json' for name in names]

    assert kinds(report) == dict(
        stray_file=['images/notes.txt', 'images/settings.json'],
        object_without_image=['annotations.json'],
        image_without_json=['images/alone.png'],
        json_without_image=named('missing'),
        name_differs=['images/renamed.JPG'],
        size_differs=named('small'),
        clipped_box=named('beyond'),
        box_outside_image=named('outside'),
        empty_box=named('empty'),
        unusable_coordinates=named('letters', 'short'),
        duplicate_box=named('twice'),
        crowd_region=named('crowd'),
        object_without_class=named('unknown'),
        no_usable_objects=named('outside', 'unknown'),
        unusable_mask=named('rle', 'line', 'thin'),
    )
    assert set(by_name(dst, 'unlabeled')) == {
        'alone.png', 'outside.png', 'unknown.png'
    }  # fmt: skip
    found = by_name(dst, 'train')
    assert found['windows.png']['boxes'] == [('dent', BOX)]
    assert found['renamed.JPG']['boxes'] == [('dent', BOX)]
    assert found['beyond.png']['boxes'] == [('dent', [30, 30, 10, 10])]
    crowd = [
        entry['iscrowd']
        for entry in load(dst, 'train')['annotations']
        if entry['image_id'] == found['crowd.png']['id']
    ]
    assert crowd == [1, 0]
    with pytest.raises(FindingsError):
        convert(src, dst, strict=True)


def test_images_of_one_name_in_several_folders(tmp_path, dst):
    src = single_coco(tmp_path / 'src', {'a/1.png': [{}], 'b/1.png': []})
    for split, box in (('train', BOX), ('val', [1, 1, 5, 5])):
        write_image(src / f'images/{split}/2.png', len(split))
        write_json(
            src / f'annotations/{split}.json',
            coco_json({'2.png': [dict(bbox=box)]}),
        )
    report = convert(src, dst)
    assert set(kinds(report)) == {'renamed_image', 'json_without_objects'}
    found = by_name(dst, 'train')
    assert {name: entry['boxes'] for name, entry in found.items()} == {
        'a__1.png': [('dent', BOX)],
        'b__1.png': [],
        'train__2.png': [('dent', BOX)],
        'val__2.png': [('dent', [1, 1, 5, 5])],
    }


def test_an_image_listed_in_two_splits_stays_in_the_first(tmp_path, dst):
    src = split_coco(tmp_path / 'src', train=3, test=3)
    content = coco_json({'train_1.png': [dict(bbox=[1, 1, 5, 5])]})
    write_json(src / 'annotations/val.json', content)
    # All of it once more is no news.
    whole = coco_json({f'train_{n}.png': [{}] for n in (1, 2, 3)})
    write_json(src / 'annotations/all.json', whole)
    report = convert_dataset(src, dst, 'coco')
    assert kinds(report) == dict(
        listed_twice=['train_1.png in annotations/train.json']
    )
    assert len(by_name(dst, 'train')['train_1.png']['boxes']) == 2
    assert by_name(dst, 'val') == {}


def test_a_broken_json_leaves_its_images_unlabeled(tmp_path, dst):
    src = split_coco(tmp_path / 'src', train=2, val=1)
    (src / 'annotations/val.json').write_text('{"images": [')
    write_json(src / 'annotations/test.json', dict(
        images=[dict(id=1)], annotations=[], categories=[]
    ))  # fmt: skip
    report = convert(src, dst)
    assert kinds(report) == dict(
        broken_json=['annotations/val.json', 'annotations/test.json'],
        image_without_json=['images/val_1.png'],
    )
    assert set(by_name(dst, 'unlabeled')) == {'val_1.png'}


def test_the_data_set_itself_is_no_place_to_write(tmp_path):
    src = split_coco(tmp_path / 'src', train=2, val=1)
    before = snapshot(src)
    with pytest.raises(ValueError, match='choose another folder'):
        convert_dataset(src, src, 'coco')
    assert snapshot(src) == before
    # Below it is one, and no source the next time.
    first = convert_dataset(src, src / 'converted', 'coco')
    after = snapshot(src)
    assert convert_dataset(src, src / 'converted', 'coco') == first
    assert snapshot(src) == after


def test_no_coco_json_is_one_line(tmp_path, dst):
    src = flat_dataset(tmp_path / 'src', count=1)
    with pytest.raises(FileNotFoundError, match=r'no \.json files'):
        convert_dataset(src, dst, 'coco')
    write_json(src / 'a.json', [1])
    with pytest.raises(ValueError, match='none of 1 json files is a COCO'):
        convert_dataset(src, dst, 'coco')
    assert not dst.exists()
