"""Data sets as they are found: odd folders, odd names and odd images."""

import unicodedata

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.coco_maker import single_coco
from helpers.voc_maker import (
    by_name,
    flat_dataset,
    kinds,
    surface,
    write_image,
    write_list,
    write_xml,
)
from helpers.yolo_maker import LINE, flat_yolo
from mmdet_ddpm_moco.conversion.convert import convert_dataset

SPLITS = ('train', 'val', 'test')
DENT = ('dent', 3, 5, 22, 14)
BOX = ('dent', [2, 4, 20, 10])
WHOLE = dict(ratio=(1, 0, 0), group_near_duplicates=False)


def test_gc10_det(tmp_path, dst):
    """Folders 1 to 10, lable/ (sic), aliases, a bogus label, copies."""
    src = tmp_path / 'GC10-DET'
    labels = dict(a='1_chongkong', b='10_yaozhe', c='10_yaozhed', d='d')
    for seed, (stem, label) in enumerate(labels.items(), start=1):
        folder = label.split('_')[0] if '_' in label else '2'
        write_image(src / folder / f'{stem}.jpg', seed)
        write_xml(
            src / 'lable' / f'{stem}.xml',
            filename=f'{stem}.jpg',
            objects=[(label, 3, 5, 22, 14)],
        )
    write_image(src / '5/a.jpg', 1)
    write_image(src / '3/lonely.jpg', 9)
    write_image(src / '4/hollow.jpg', 10)
    write_xml(src / 'lable/hollow.xml', filename='hollow.jpg')
    (src / 'lable/GC10.docx').write_text('x')
    report = convert_dataset(
        src, dst, **WHOLE,
        rename={'10_yaozhed': 'crease', '10_yaozhe': 'crease',
                '1_chongkong': 'punching', 'd': ''},
    )  # fmt: skip
    assert kinds(report) == dict(
        identical_copy=['5/a.jpg'],
        unknown_class=['lable/d.xml'],
        no_usable_objects=['lable/d.xml'],
        image_without_xml=['3/lonely.jpg'],
        xml_without_objects=['lable/hollow.xml'],
    )
    found = by_name(dst, 'train')
    assert {name: entry['boxes'] for name, entry in found.items()} == {
        'a.jpg': [('punching', BOX[1])],
        'b.jpg': [('crease', BOX[1])],
        'c.jpg': [('crease', BOX[1])],
        'hollow.jpg': [],
    }
    assert set(by_name(dst, 'unlabeled')) == {'d.jpg', 'lonely.jpg'}


def test_the_lists_of_a_voc_devkit_are_its_split(src, dst):
    (src / 'IMAGES').rename(src / 'JPEGImages')
    folder = src / 'ImageSets/Main'
    folder.mkdir(parents=True)
    numbers = dict(train=(1, 2, 3), val=(4,), trainval=(1, 2, 3, 4))
    for split, chosen in numbers.items():
        write_list(folder, split, *(f'dent_{n}' for n in chosen))
    report = convert_dataset(src, dst)
    assert list(by_name(dst, 'train')) == [f'dent_{n}.png' for n in (1, 2, 3)]
    assert list(by_name(dst, 'val')) == ['dent_4.png']
    assert len(kinds(report).pop('image_without_split')) == 16
    report = convert_dataset(src, dst, resplit=True)
    assert report.findings == {}


@pytest.mark.parametrize('suffix', ['', '.png', '.PNG'])
@pytest.mark.parametrize(
    'names',
    [
        ('Train', 'Validation', 'Test'),
        ('training', 'valid', 'TEST'),
        ('trainval', 'val', 'test'),
    ],
)
def test_lists_of_other_names_are_the_split_too(src, dst, names, suffix):
    folder = src / 'ImageSets/Main'
    folder.mkdir(parents=True)
    numbers = [(1, 2, 3), (4, 5), (6,)]
    for name, chosen in zip(names, numbers):
        if name == 'trainval':
            chosen = (*chosen, 4, 5)
        lines = [f'dent_{n}{suffix}' for n in chosen]
        write_list(folder, name, *lines, f'JPEGImages/rust_{chosen[0]}.png')
    # Those of one class are none.
    write_list(folder, 'dent_train', 'dent_7 1', 'dent_8 -1')
    report = convert_dataset(src, dst)
    assert set(kinds(report)) == {'image_without_split'}
    for split, chosen in zip(('train', 'val', 'test'), numbers):
        assert list(by_name(dst, split)) == [
            *(f'dent_{n}.png' for n in chosen), f'rust_{chosen[0]}.png'
        ]  # fmt: skip


def test_a_list_that_names_no_image_is_reported(tmp_path, dst):
    for split, number in (('train', 1), ('train', 2), ('val', 3)):
        write_image(tmp_path / f'src/{split}/images/{number}.png', number)
        path = tmp_path / f'src/{split}/annotations/{number}.xml'
        write_xml(path, objects=[DENT])
    folder = tmp_path / 'src/ImageSets/Main'
    folder.mkdir(parents=True)
    write_list(folder, 'test', 'p_1', 'p_2')
    report = convert_dataset(tmp_path / 'src', dst)
    assert kinds(report) == dict(
        split_list_without_image=['ImageSets/Main/test.txt']
    )
    # The split of the folders counts, as if there were no list.
    assert list(by_name(dst, 'val')) == ['3.png']


def test_images_and_xml_side_by_side(tmp_path, dst):
    for split, number in (('train', 1), ('train', 2), ('valid', 3)):
        write_image(tmp_path / f'src/{split}/{number}.png', number)
        write_xml(tmp_path / f'src/{split}/{number}.xml', objects=[DENT])
    report = convert_dataset(tmp_path / 'src', dst)
    assert report.findings == {}
    assert list(by_name(dst, 'val')) == ['3.png']


@pytest.mark.parametrize(
    ('image', 'xml'),
    [
        ('IMG_1.JPG', 'img_1.xml'),
        (
            unicodedata.normalize('NFD', 'é.png'),
            unicodedata.normalize('NFC', 'é.xml'),
        ),
    ],
)
def test_names_that_differ_in_case_or_form_are_paired(
    tmp_path, dst, image, xml
):
    src = flat_dataset(tmp_path / 'src', count=1)
    write_image(src / 'IMAGES' / image, 9)
    write_xml(src / 'ANNOTATIONS' / xml, filename=image, objects=[DENT])
    report = convert_dataset(src, dst, **WHOLE)
    assert kinds(report) == dict(name_differs=[f'IMAGES/{image}'])
    assert by_name(dst, 'train')[image]['boxes'] == [BOX]


def test_exact_names_go_before_alike_ones(tmp_path, dst):
    src = flat_dataset(tmp_path / 'src', count=1)
    for seed, stem in enumerate(('a', 'A'), start=7):
        write_image(src / f'IMAGES/{stem}.png', seed)
        write_xml(
            src / f'ANNOTATIONS/{stem}.xml', objects=[(stem, 3, 5, 22, 14)]
        )
    report = convert_dataset(src, dst, **WHOLE)
    assert kinds(report) == dict(
        similar_names=['IMAGES/a.png'], similar_classes=['a']
    )
    found = by_name(dst, 'train')
    assert found['a.png']['boxes'][0][0] == 'a'
    assert found['A.png']['boxes'][0][0] == 'A'


def rotated_jpeg(path, seed):
    """60 x 30 pixels that EXIF says are to be rotated to 30 x 60."""
    _, jpeg = cv2.imencode('.jpg', np.dstack([surface(30, 60, seed)] * 3))
    exif = (
        b'\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01'
        b'\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00'
    )
    data = jpeg.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[:2] + exif + data[2:])


def test_boxes_drawn_before_a_rotation_are_not_used(tmp_path, dst):
    src = tmp_path / 'src'
    for stem, size in (('seen', (30, 60)), ('stored', (60, 30))):
        rotated_jpeg(src / f'images/{stem}.jpg', seed=len(stem))
        write_xml(
            src / f'annotations/{stem}.xml',
            filename=f'{stem}.jpg', objects=[DENT], size=size,
        )  # fmt: skip
    # Swapped without a rotation is a wrong size, and no more.
    write_image(src / 'images/swapped.png', 5, size=(60, 30))
    write_xml(src / 'annotations/swapped.xml', objects=[DENT], size=(30, 60))
    report = convert_dataset(src, dst, **WHOLE)
    assert kinds(report) == dict(
        drawn_before_rotation=['annotations/stored.xml'],
        size_differs=['annotations/swapped.xml'],
    )
    assert set(by_name(dst, 'unlabeled')) == {'stored.jpg'}
    assert set(by_name(dst, 'train')) == {'seen.jpg', 'swapped.png'}


def write_kind(path, kind):
    """An image of 40 x 40 pixels in an uncommon form."""
    gray = surface(40, 40, seed=3)
    if kind == '16 bits':
        cv2.imwrite(str(path), gray.astype(np.uint16) * 16)
        return
    picture = Image.fromarray(gray)
    modes = dict(palette='P', alpha='RGBA', cmyk='CMYK', bilevel='1')
    picture.convert(modes.get(kind, 'L')).save(path)


@pytest.mark.parametrize(
    ('kind', 'suffix'),
    [
        ('palette', '.png'), ('alpha', '.png'), ('bilevel', '.png'),
        ('gray', '.bmp'), ('gray', '.tif'), ('gray', '.webp'),
        ('cmyk', '.jpg'), ('cmyk', '.tiff'), ('16 bits', '.png'),
        ('16 bits', '.tif'),
    ],
)  # fmt: skip
def test_uncommon_images_are_read(tmp_path, dst, kind, suffix):
    src = flat_dataset(tmp_path / 'src', count=1)
    path = src / f'IMAGES/x{suffix}'
    write_kind(path, kind)
    write_xml(src / 'ANNOTATIONS/x.xml', filename=path.name, objects=[DENT])
    report = convert_dataset(src, dst, **WHOLE)
    deep = {'deep_image': [f'IMAGES/{path.name}']} if '16' in kind else {}
    assert kinds(report) == deep
    if deep:
        (detail,) = (d for _, d in report.findings['deep_image'])
        assert detail.startswith('uint16, up to 4')
    entry = by_name(dst, 'train')[path.name]
    assert (entry['width'], entry['height']) == (40, 40)
    assert entry['boxes'] == [BOX]
    # As mmdet's loader does.
    assert cv2.imread(str(path)).shape == (40, 40, 3)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.3, 0.9])
def test_an_image_that_is_cut_short_is_left_out(
    tmp_path, dst, suffix, share, capfd
):
    src = flat_dataset(tmp_path / 'src', count=1)
    path = src / f'IMAGES/x{suffix}'
    write_image(path, 5, size=(90, 90))
    data = path.read_bytes()
    path.write_bytes(data + b'\0' * 9)  # padded, and complete
    write_xml(
        src / 'ANNOTATIONS/x.xml',
        filename=path.name, objects=[DENT], size=(90, 90),
    )  # fmt: skip
    assert convert_dataset(src, dst, **WHOLE).findings == {}
    path.write_bytes(data[: int(share * len(data))])
    report = convert_dataset(src, dst, **WHOLE)
    name = 'JPEG' if suffix == '.jpg' else 'PNG'
    assert report.findings['unreadable_image'] == [
        (f'IMAGES/x{suffix}', f'the {name} is cut short')
    ]
    assert path.name not in by_name(dst, 'train', 'unlabeled')


def test_all_formats_read_the_same_boxes(tmp_path):
    """The same defect in a VOC, a COCO and a YOLO data set."""
    voc = flat_dataset(tmp_path / 'voc', count=1, names=('dent',))
    coco = single_coco(tmp_path / 'coco', {'dent_1.png': [{}]})
    yolo = flat_yolo(tmp_path / 'yolo', {'dent_1': [LINE]})
    found = []
    for name, src in dict(voc=voc, coco=coco, yolo=yolo).items():
        convert_dataset(src, tmp_path / f'{name}_out', name, **WHOLE)
        found.append(by_name(tmp_path / f'{name}_out', 'train'))
    assert found[0] == found[1] == found[2]
