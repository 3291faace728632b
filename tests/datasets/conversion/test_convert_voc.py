import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from voc_maker import (
    flat_dataset,
    snapshot,
    surface,
    voc_xml,
    write_image,
    write_xml,
)

from mmdet_ddpm_moco.datasets.conversion.convert import convert_voc
from mmdet_ddpm_moco.datasets.conversion.report import (
    KINDS,
    FindingsError,
    format_report,
)

SPLITS = ('train', 'val', 'test')


def load(dst: Path, name: str) -> dict:
    return json.loads((dst / 'annotations' / f'{name}.json').read_text())


def by_name(dst: Path, *lists: str) -> dict[str, dict]:
    """Image of each file name with its boxes as (class, bbox)."""
    found = {}
    for key in lists:
        coco = load(dst, key)
        names = {entry['id']: entry['name'] for entry in coco['categories']}
        for image in coco['images']:
            assert image['file_name'] not in found
            found[image['file_name']] = dict(
                image,
                boxes=[
                    (names[box['category_id']], box['bbox'])
                    for box in coco['annotations']
                    if box['image_id'] == image['id']
                ],
            )
    return found


def kinds(report) -> dict[str, list[str]]:
    return {
        kind: [file for file, _ in entries]
        for kind, entries in report.findings.items()
    }


@pytest.fixture
def src(tmp_path):
    return flat_dataset(tmp_path / 'src')


@pytest.fixture
def dst(tmp_path):
    return tmp_path / 'dst'


def test_a_clean_dataset_becomes_clean_coco(src, dst, capsys):
    report = convert_voc(src, dst, few_shot=[2, 4])
    assert report.findings == {}
    sizes = dict(train=14, val=2, test=4, train_2=4, train_4=8, unlabelled=0)
    for key, size in sizes.items():
        coco = COCO(dst / 'annotations' / f'{key}.json')
        assert len(coco.imgs) == len(coco.anns) == size
        assert [c['name'] for c in coco.cats.values()] == ['dent', 'rust']
        assert sorted(coco.cats) == [1, 2]
        for box in coco.anns.values():
            assert box['bbox'] == [2, 4, 20, 10]
            assert box['area'] == 200
            assert box['iscrowd'] == 0
        for image in coco.imgs.values():
            assert set(image) == {
                'id', 'file_name', 'width', 'height', 'group'
            }  # fmt: skip
            link = dst / 'images' / image['file_name']
            original = src / 'IMAGES' / image['file_name']
            assert link.is_symlink()
            assert link.samefile(original)
        listed = (dst / 'lists' / f'{key}.txt').read_text().splitlines()
        assert listed == [i['file_name'] for i in coco.imgs.values()]
    info = load(dst, 'val')['info']
    assert info['seed'] == 0
    assert info['ratio'] == [0.7, 0.1, 0.2]
    assert info['group_near_duplicates'] is True
    assert {'description', 'version'} < set(info)


def test_ids_are_the_same_in_every_json(src, dst):
    write_xml(
        src / 'ANNOTATIONS/dent_1.xml',
        objects=[('dent', 3, 5, 22, 14), ('rust', 1, 1, 9, 9)],
    )
    convert_voc(src, dst, few_shot=[2, 4])
    whole = by_name(dst, *SPLITS)
    assert len({entry['id'] for entry in whole.values()}) == 20
    boxes = {}
    for key in SPLITS:
        boxes.update({b['id']: b for b in load(dst, key)['annotations']})
    assert len(boxes) == 21
    for key in ('train_2', 'train_4'):
        for name, entry in by_name(dst, key).items():
            assert entry == whole[name]
        for box in load(dst, key)['annotations']:
            assert box == boxes[box['id']]
    assert set(by_name(dst, 'train_2')) < set(by_name(dst, 'train_4'))


def test_twice_gives_the_same_bytes(src, dst, tmp_path):
    write_image(src / 'IMAGES' / 'lost.png', 77)
    convert_voc(src, dst, few_shot=[2, 4])
    first = snapshot(dst)
    convert_voc(src, dst, few_shot=[2, 4])
    assert snapshot(dst) == first
    convert_voc(src, tmp_path / 'elsewhere', few_shot=[2, 4])
    assert snapshot(tmp_path / 'elsewhere') == first
    convert_voc(src, dst, few_shot=[2, 4], seed=1)
    assert snapshot(dst) != first


@pytest.mark.parametrize('copy', [False, True])
@pytest.mark.parametrize(
    'names', [('IMAGES', 'ANNOTATIONS'), ('images', 'annotations')]
)
def test_in_place_and_twice(tmp_path, names, copy):
    root = flat_dataset(tmp_path / 'set')
    for old, new in zip(('IMAGES', 'ANNOTATIONS'), names):
        (root / old).rename(root / new)
    before = snapshot(root)
    convert_voc(root, root, few_shot=[2], copy=copy)
    first = snapshot(root)
    assert before.items() <= first.items()
    report = convert_voc(root, root, few_shot=[2], copy=copy)
    assert report.findings == {}
    assert snapshot(root) == first
    assert len(by_name(root, *SPLITS)) == 20


def test_in_place_with_sub_folders_needs_no_links(tmp_path):
    for kind in ('dent', 'rust'):
        for number in (1, 2):
            seed = number + 10 * (kind == 'rust')
            write_image(tmp_path / f'images/{kind}/{number}.png', seed)
            write_xml(
                tmp_path / f'annotations/{kind}/{number}.xml',
                objects=[(kind, 3, 5, 22, 14)],
            )
    images = snapshot(tmp_path / 'images')
    report = convert_voc(tmp_path, tmp_path, ratio=(1, 0, 0), copy=True)
    assert report.findings == {}
    assert snapshot(tmp_path / 'images') == images
    found = by_name(tmp_path, 'train')
    assert found['rust/2.png']['boxes'] == [('rust', [2, 4, 20, 10])]


def test_copies_replace_links_and_the_other_way_round(src, dst):
    convert_voc(src, dst)
    convert_voc(src, dst, copy=True)
    image = dst / 'images' / 'dent_1.png'
    assert not image.is_symlink()
    assert image.read_bytes() == (src / 'IMAGES/dent_1.png').read_bytes()
    convert_voc(src, dst)
    assert image.is_symlink()


def test_a_strangers_file_is_never_replaced(src, dst):
    image = dst / 'images' / 'dent_1.png'
    write_image(image, seed=99)
    before = image.read_bytes()
    with pytest.raises(FileExistsError, match=r'dent_1.png is another image'):
        convert_voc(src, dst)
    assert image.read_bytes() == before


def test_leftovers_of_an_earlier_run_go(src, dst):
    convert_voc(src, dst, few_shot=[1, 2])
    keep = dst / 'annotations' / 'train_1_mine.json'
    keep.write_text('{}')
    (src / 'IMAGES' / 'dent_1.png').unlink()
    convert_voc(src, dst, few_shot=[2])
    assert not (dst / 'annotations/train_1.json').exists()
    assert not (dst / 'lists/train_1.txt').exists()
    assert (dst / 'annotations/train_2.json').exists()
    assert keep.exists()
    assert not (dst / 'images/dent_1.png').is_symlink()
    assert len(list((dst / 'images').iterdir())) == 19


def test_every_quirk_passes_and_is_reported(tmp_path, dst):
    src = flat_dataset(tmp_path / 'src', count=3)
    images, xmls = src / 'IMAGES', src / 'ANNOTATIONS'
    good = ('dent', 3, 5, 22, 14)

    def add(stem, *objects, seed, **kwargs):
        write_image(images / f'{stem}.png', seed)
        write_xml(xmls / f'{stem}.xml', objects=objects, **kwargs)

    add('rolled-in_scale_7', ('rolled-in_scale', 1, 1, 9, 9), seed=20)
    add('rolled-in_scale_8', ('', 1, 1, 9, 9), seed=21)
    add('nobody_9', ('', 1, 1, 9, 9), good, seed=22)
    add('plain', good, seed=23, filename='plain')
    add('wrong_size', good, seed=24, size=(200, 100))
    add('no_size', good, seed=25, size=None)
    add('twice', good, good, seed=26)
    add('beyond', ('dent', 0, 5, 22, 99), seed=27)
    add('outside', ('dent', 50, 5, 60, 14), good, seed=28)
    add('empty', ('dent', 9, 5, 9, 14), good, seed=29)
    add('letters', ('dent', 'a', 5, 9, 14), good, seed=30)
    add('floats', ('dent', 1.5, 2.5, 9.25, 14), seed=31)
    add('clean', seed=32)
    add('hopeless', ('dent', 50, 5, 60, 14), seed=33)
    write_image(images / 'alone.png', 34)
    write_xml(xmls / 'no_image.xml', objects=[good])
    add('hollow', good, seed=35)
    (images / 'hollow.png').write_bytes(b'')
    add('garbled', good, seed=36)
    (images / 'garbled.png').write_bytes(b'no image at all')
    add('broken', seed=37)
    (xmls / 'broken.xml').write_text('<annotation><object>')
    add('blank', seed=38)
    (xmls / 'blank.xml').write_bytes(b'')
    (images / 'readme.txt').write_text('x')
    report = convert_voc(src, dst, group_near_duplicates=False)

    def xml(*stems):
        return [f'ANNOTATIONS/{stem}.xml' for stem in stems]

    assert kinds(report) == dict(
        class_from_stem=xml('rolled-in_scale_8'),
        object_without_class=xml('nobody_9'),
        filename_differs=xml('plain'),
        size_differs=xml('wrong_size'),
        duplicate_box=xml('twice'),
        clipped_box=xml('beyond'),
        box_outside_image=xml('hopeless', 'outside'),
        empty_box=xml('empty'),
        unusable_coordinates=xml('letters'),
        xml_without_objects=xml('clean'),
        no_usable_objects=xml('hopeless'),
        image_without_xml=['IMAGES/alone.png'],
        xml_without_image=xml('garbled', 'hollow', 'no_image'),
        unreadable_image=['IMAGES/garbled.png', 'IMAGES/hollow.png'],
        broken_xml=xml('blank', 'broken'),
        stray_file=['IMAGES/readme.txt'],
    )
    found = by_name(dst, *SPLITS)
    assert set(by_name(dst, 'unlabelled')) == {
        'alone.png', 'blank.png', 'broken.png', 'hopeless.png'
    }  # fmt: skip
    assert load(dst, 'unlabelled')['annotations'] == []
    assert found['clean.png']['boxes'] == []
    assert 'hollow.png' not in found
    dent = ('dent', [2, 4, 20, 10])
    for name in ('plain', 'twice', 'outside', 'empty', 'letters', 'nobody_9'):
        assert found[f'{name}.png']['boxes'] == [dent]
    assert found['beyond.png']['boxes'] == [('dent', [0, 4, 22, 36])]
    assert found['floats.png']['boxes'] == [('dent', [0.5, 1.5, 8.75, 12.5])]
    scale = ('rolled-in_scale', [0, 0, 9, 9])
    assert found['rolled-in_scale_8.png']['boxes'] == [scale]
    assert found['wrong_size.png']['width'] == 40
    assert found['wrong_size.png']['height'] == 40


def test_popular_copy_with_image_and_xml_in_different_splits(tmp_path, dst):
    for number in range(1, 7):
        image_split = 'train' if number < 6 else 'validation'
        write_image(
            tmp_path / image_split / 'images/dent' / f'dent_{number}.png',
            number,
        )
        write_xml(
            tmp_path / 'train/annotations' / f'dent_{number}.xml',
            objects=[('dent', 3, 5, 22, 14)],
        )
    report = convert_voc(tmp_path, dst, ratio=(0.5, 0, 0.5))
    assert kinds(report) == dict(
        paired_across_splits=['validation/images/dent/dent_6.png']
    )
    assert len(by_name(dst, 'train')) == len(by_name(dst, 'test')) == 3
    assert by_name(dst, 'val') == {}


def test_images_of_one_name(tmp_path, dst):
    for kind, seed in (('dent', 1), ('rust', 2), ('worn', 1)):
        write_image(tmp_path / f'images/{kind}/1.png', seed)
        write_xml(
            tmp_path / f'annotations/{kind}/1.xml',
            objects=[(kind, 3, 5, 22, 14)],
        )
    report = convert_voc(tmp_path, dst, ratio=(1, 0, 0))
    assert kinds(report) == dict(
        renamed_image=['images/dent/1.png', 'images/rust/1.png'],
        identical_copy=['images/worn/1.png'],
        xml_without_image=['annotations/worn/1.xml'],
    )
    found = by_name(dst, 'train')
    assert set(found) == {'dent__1.png', 'rust__1.png'}
    assert found['rust__1.png']['boxes'][0][0] == 'rust'
    assert (dst / 'images/rust__1.png').resolve() == (
        tmp_path / 'images/rust/1.png'
    )


def test_classes_choose_and_order_the_categories(src, dst):
    write_xml(
        src / 'ANNOTATIONS/dent_1.xml',
        objects=[('dent', 3, 5, 22, 14), ('rust', 1, 1, 9, 9)],
    )
    report = convert_voc(
        src, dst, ratio=(1, 0, 0), classes=['worn', 'rust'],
        group_near_duplicates=False,
    )  # fmt: skip
    names = [entry['name'] for entry in load(dst, 'train')['categories']]
    assert names == ['worn', 'rust']
    assert load(dst, 'train')['categories'][1]['id'] == 2
    # What shows only other classes is not free of defects.
    assert len(by_name(dst, 'train')) == 11
    assert len(by_name(dst, 'unlabelled')) == 9
    assert {len(files) for files in kinds(report).values()} == {1, 9, 10}
    assert set(kinds(report)) == {
        'class_not_found', 'unknown_class', 'no_usable_objects'
    }  # fmt: skip
    assert {d for _, d in report.findings['unknown_class']} == {'dent'}


def overlapping(root: Path, count: int = 12) -> Path:
    """Six crops of one strip, then images that share nothing."""
    import cv2

    strip = surface(100, 400, seed=1)
    images = [strip[:, start : start + 100] for start in range(0, 300, 50)]
    images += [surface(100, 100, seed) for seed in range(2, count - 4)]
    (root / 'images').mkdir(parents=True)
    for number, image in enumerate(images, start=1):
        cv2.imwrite(str(root / 'images' / f'dent_{number}.png'), image)
        write_xml(
            root / 'annotations' / f'dent_{number}.xml',
            objects=[('dent', 3, 5, 22, 14)],
            size=(100, 100),
        )
    return root


def test_crops_of_a_strip_stay_in_one_split(tmp_path, dst):
    src = overlapping(tmp_path / 'src', 24)
    strip = {f'dent_{number}.png' for number in range(1, 7)}
    parted = 0
    for seed in range(3):
        report = convert_voc(src, dst, seed=seed)
        found = {split: set(by_name(dst, split)) for split in SPLITS}
        assert sum(bool(strip & names) for names in found.values()) == 1
        groups = {
            name: entry['group']
            for name, entry in by_name(dst, *SPLITS).items()
        }
        assert {groups[name] for name in strip} == {1}
        assert len(set(groups.values())) == 19
        assert report.groups['groups'] == 1
        assert report.groups['images'] == 6
        assert report.groups['largest'][0]['size'] == 6
        assert set(report.groups['largest'][0]['images']) == strip
        convert_voc(src, dst, seed=seed, group_near_duplicates=False)
        found = {split: set(by_name(dst, split)) for split in SPLITS}
        parted += sum(bool(strip & names) for names in found.values()) > 1
        every = by_name(dst, *SPLITS).values()
        assert all(entry['group'] == entry['id'] for entry in every)
    assert parted


def test_unlabelled_images_like_held_out_ones_are_named(tmp_path, dst):
    src = overlapping(tmp_path / 'src')
    (src / 'annotations/dent_2.xml').unlink()
    (src / 'annotations/dent_9.xml').unlink()
    report = convert_voc(src, dst, ratio=(0, 0, 1))
    assert kinds(report)['unlabelled_like_held_out'] == ['images/dent_2.png']
    unlabelled = by_name(dst, 'unlabelled')
    assert unlabelled['dent_2.png']['group'] == 1


def test_a_group_that_swallows_a_class_is_reported(tmp_path, dst):
    report = convert_voc(overlapping(tmp_path / 'src', 11), dst)
    assert report.findings['large_group'] == [
        ('dent_1.png', '6 of 11 images of dent')
    ]
    assert len(by_name(dst, *SPLITS)) == 11


def test_strict_writes_nothing(src, dst):
    convert_voc(src, dst, strict=True)
    first = snapshot(dst)
    (src / 'IMAGES/notes.txt').write_text('x')
    with pytest.raises(FindingsError, match='1 findings') as caught:
        convert_voc(src, dst, strict=True, seed=5)
    assert kinds(caught.value.report) == dict(stray_file=['IMAGES/notes.txt'])
    assert snapshot(dst) == first


def test_the_report_names_everything_and_the_screen_a_few(src, dst):
    for number in range(1, 9):
        path = src / 'ANNOTATIONS' / f'dent_{number}.xml'
        path.write_text(voc_xml('x', [('dent', 3, 5, 22, 14)]))
    report = convert_voc(src, dst, few_shot=[2])
    written = json.loads((dst / 'report.json').read_text())
    assert written == json.loads(json.dumps(report.to_dict()))
    entry = written['findings']['filename_differs']
    assert entry['count'] == entry['files'] == 8
    assert entry['meaning'] == KINDS['filename_differs']
    assert [item['file'] for item in entry['entries']] == [
        f'ANNOTATIONS/dent_{number}.xml' for number in range(1, 9)
    ]
    assert written['counts']['train'] == dict(
        classes=dict(
            dent=dict(images=7, boxes=7), rust=dict(images=7, boxes=7)
        ),
        without_boxes=0,
        images=14,
        boxes=14,
    )
    text = format_report(report)
    assert '8 filename_differs' in text
    assert 'ANNOTATIONS/dent_3.xml' in text
    assert 'ANNOTATIONS/dent_4.xml' not in text
    assert 'and 5 more' in text
    rows = {
        line.split()[0]: line.split()[1:] for line in text.splitlines()[1:5]
    }
    assert rows['dent'][:3] == ['7', '/', '7']
    assert rows['all'][:3] == ['14', '/', '14']
    assert str(src) not in json.dumps(written)


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (dict(ratio=(0.5, 0.1, 0.1)), 'sum 1'),
        (dict(few_shot=[0]), 'few-shot 0'),
        (dict(few_shot=[8]), 'few-shot 8 is more than the 7'),
        (dict(classes=['dent', 'dent']), 'different'),
    ],
)
def test_bad_options_are_told_and_nothing_is_written(src, dst, options, told):
    with pytest.raises(ValueError, match=told):
        convert_voc(src, dst, **options)
    assert not dst.exists()


def test_a_target_that_cannot_be_written_is_told(src, dst):
    dst.write_text('a file')
    with pytest.raises(OSError, match='cannot write') as caught:
        convert_voc(src, dst)
    assert '\n' not in str(caught.value)


def test_sizes_are_those_after_turning_as_exif_says(tmp_path, dst):
    import cv2

    image = np.dstack([surface(30, 60, seed=1)] * 3)
    _, jpeg = cv2.imencode('.jpg', image)
    exif = (
        b'\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01'
        b'\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00'
    )
    data = jpeg.tobytes()
    (tmp_path / 'images').mkdir()
    path = tmp_path / 'images' / 'a.jpg'
    path.write_bytes(data[:2] + exif + data[2:])
    write_xml(
        tmp_path / 'annotations/a.xml',
        filename='a.jpg',
        objects=[('dent', 1, 1, 30, 60)],
        size=(30, 60),
    )
    report = convert_voc(tmp_path, dst, ratio=(1, 0, 0))
    assert report.findings == {}
    # As mmdet's loader sees it.
    seen = cv2.imread(str(path)).shape
    assert seen == (60, 30, 3)
    entry = by_name(dst, 'train')['a.jpg']
    assert (entry['height'], entry['width']) == (60, 30)
