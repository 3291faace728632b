import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from helpers.voc_maker import by_name, flat_dataset, kinds, write_image
from helpers.yolo_maker import LINE, NAMES, flat_yolo, split_yolo, write_text
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.formats.yolo import parse
from mmdet_ddpm_moco.conversion.shapes import in_pixels

SPLITS = ('train', 'val', 'test')
BOX = ('dent', [2, 4, 20, 10])
WHOLE = dict(ratio=(1, 0, 0), group_near_duplicates=False)
COUNTS = dict(train=3, val=2, test=1)


def sizes(report):
    return [report.counts[split]['images'] for split in SPLITS]


@pytest.mark.parametrize(
    'pattern',
    ['{kind}/{split}', '{split}/{kind}', 'data/{split}/{kind}', '{split}'],
)
def test_folders_of_splits(tmp_path, dst, pattern):
    src = split_yolo(tmp_path / 'src', pattern, COUNTS)
    report = convert_dataset(src, dst, 'yolo')
    assert report.findings == {}
    assert sizes(report) == [3, 2, 1]
    for split in SPLITS:
        for name, entry in by_name(dst, split).items():
            assert name.startswith(split)
            assert entry['boxes'] == [BOX]
    assert sizes(convert_dataset(src, dst, 'yolo', resplit=True)) == [4, 1, 1]


@pytest.mark.parametrize(
    'entries',
    [
        'path: /home/somebody/set\ntrain: images/a\nval: images/b\n',
        'train: ../a/images\nval: ../b/images\n',
        'train: [images/a]\nval: D:\\set\\images\\b\ntest:\n',
        'train: first.txt\nval: ./second.txt\n',
    ],
)
def test_data_yaml_says_the_split(tmp_path, dst, entries):
    pattern = '{split}/{kind}' if '..' in entries else '{kind}/{split}'
    src = split_yolo(tmp_path / 'src', pattern, dict(a=3, b=2))
    write_text(src / 'data.yaml', entries + NAMES)
    write_text(src / 'first.txt', './images/a/a_1.png\nx/a_2.png\na_3.png\n')
    write_text(src / 'second.txt', '/data/images/b/b_1.png\r\n\nb_2.png')
    report = convert_dataset(src, dst, 'yolo')
    assert report.findings == {}
    assert sizes(report) == [3, 2, 0]
    assert set(by_name(dst, 'val')) == {'b_1.png', 'b_2.png'}


def test_folders_that_are_links_keep_their_split(tmp_path, dst):
    real = split_yolo(tmp_path / 'real', '{kind}/{split}', dict(a=3, b=2))
    src = tmp_path / 'src'
    src.mkdir()
    for name in ('images', 'labels'):
        (src / name).symlink_to(real / name)
    write_text(src / 'data.yaml', f'train: images/a\nval: images/b\n{NAMES}')
    assert sizes(convert_dataset(src, dst, 'yolo')) == [3, 2, 0]


def test_lists_of_darknet_and_one_folder_for_both(tmp_path, dst):
    src = split_yolo(tmp_path / 'src', 'obj_train_data', dict(a=3, b=2))
    (src / 'data.yaml').unlink()
    write_text(src / 'obj.names', 'dent\nrust\n')
    write_text(src / 'train.txt', 'data/a_1.png\na_2.png\n')
    write_text(src / 'valid.txt', 'data/b_1.png\n')
    report = convert_dataset(src, dst, 'yolo')
    assert sizes(report) == [2, 1, 0]
    assert kinds(report) == dict(
        image_without_split=[
            'obj_train_data/a_3.png',
            'obj_train_data/b_2.png',
        ]
    )


def test_train_and_val_of_one_folder_are_no_split(tmp_path, dst):
    src = split_yolo(tmp_path / 'src', '{kind}/{split}', dict(train2017=10))
    write_text(
        src / 'data.yaml',
        f'train: images/train2017\nval: images/train2017\n{NAMES}',
    )
    report = convert_dataset(src, dst, 'yolo')
    assert kinds(report) == dict(given_split_unusable=['train'])
    assert sizes(report) == [7, 1, 2]


@pytest.mark.parametrize(
    ('file', 'text'),
    [
        ('data.yaml', 'names:\n  0: dent\n  1: rust\n'),
        ('mine.yml', 'nc: 2\nnames: [dent, rust]\n'),
        ('classes.txt', '\ufeffdent\r\nrust\r\n'),
        ('labels/classes.txt', 'dent\nrust'),
    ],
)
def test_names_of_classes(tmp_path, dst, file, text):
    src = flat_yolo(tmp_path / 'src', {'a': [LINE, '1 0.3 0.225 0.5 0.25']})
    (src / 'data.yaml').unlink()
    write_text(src / file, text)
    report = convert_dataset(src, dst, 'yolo', **WHOLE)
    assert report.findings == {}
    found = by_name(dst, 'train')['a.png']['boxes']
    assert found == [BOX, ('rust', BOX[1])]


def test_every_quirk_passes_and_is_reported(tmp_path, dst):
    triangle = '0 0.125 0.125 0.625 0.125 0.125 0.625'
    src = flat_yolo(
        tmp_path / 'src',
        {
            'good': [LINE],
            'clean': [],
            'blank': ['', '  '],
            'alone': None,
            'outline': [triangle],
            'beyond': ['0 0.9 0.5 0.5 0.25'],
            'pixels': ['0 12 9 20 10'],
            'flat': ['0 0.5 0.5 0 0.25', LINE],
            'number': ['2 0.3 0.225 0.5 0.25'],
            'words': ['dent 0.3 0.225 0.5 0.25'],
            'score': [f'{LINE} 0.9'],
            'twice': [LINE, LINE],
            'rounded': ['1.0 0.8333333 0.5 0.3333334 0.5'],
        },
    )
    write_text(src / 'labels/no_image.txt', LINE)
    write_text(src / 'images/notes.txt', 'x')
    report = convert_dataset(src, dst, 'yolo', **WHOLE)

    def txt(*stems):
        return [f'labels/{stem}.txt' for stem in stems]

    assert kinds(report) == dict(
        txt_without_objects=txt('blank', 'clean'),
        image_without_txt=['images/alone.png'],
        clipped_box=txt('beyond'),
        box_outside_image=txt('pixels'),
        empty_box=txt('flat'),
        object_without_class=txt('number'),
        broken_txt=txt('score', 'words'),
        duplicate_box=txt('twice'),
        no_usable_objects=txt('number', 'pixels'),
        txt_without_image=txt('no_image'),
        stray_file=['images/notes.txt'],
    )
    assert 'line 1 is neither class x y' in report.findings['broken_txt'][0][1]
    found = by_name(dst, 'train')
    assert found['clean.png']['boxes'] == []
    assert found['rounded.png']['boxes'] == [('rust', [26.67, 10, 13.33, 20])]
    assert found['outline.png']['boxes'] == [('dent', [5, 5, 20, 20])]
    coco = COCO(dst / 'annotations/train.json')
    (entry,) = coco.imgToAnns[found['outline.png']['id']]
    assert entry['segmentation'] == [[5, 5, 25, 5, 5, 25]]
    assert entry['area'] == coco.annToMask(entry).sum()


def test_points_of_a_pose_are_no_outline():
    line = f'{LINE} 0.1 0.2 2 0.3 0.4 2'.encode()
    (item,) = parse(line, {0: 'dent'}, keypoints=True).objects
    assert item.mask is None
    assert in_pixels(item, 40, 40).edges == (2, 4, 22, 14)


@settings(deadline=None)
@given(
    st.integers(1, 3000), st.integers(1, 3000),
    st.tuples(*[st.floats(0, 1)] * 4),
)  # fmt: skip
def test_whole_pixels_come_back(width, height, places):
    x1, x2 = sorted(round(share * width) for share in places[:2])
    y1, y2 = sorted(round(share * height) for share in places[2:])
    line = (
        f'0 {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} '
        f'{(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}'
    )
    (item,) = parse(line.encode(), {0: 'dent'}).objects
    found = in_pixels(item, width, height)
    assert found.edges == (x1, y1, x2, y2)
    assert found.extent == (x2 - x1, y2 - y1)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'says no names of classes; write one a line'),
        ('names: [dent', r'data\.yaml is no YAML'),
        ('names: {a: dent}', 'not numbered; number them from 0'),
        ('names: 7', 'says no names of classes'),
    ],
)
def test_without_names_it_is_one_line(tmp_path, dst, text, message):
    src = flat_yolo(tmp_path / 'src', {'a': [LINE]})
    (src / 'data.yaml').unlink()
    if text:
        write_text(src / 'data.yaml', text)
    with pytest.raises(ValueError, match=message) as caught:
        convert_dataset(src, dst, 'yolo')
    assert '\n' not in str(caught.value)


def test_names_that_are_not_utf8_are_one_line(tmp_path, dst):
    src = flat_yolo(tmp_path / 'src', {'a': [LINE]})
    (src / 'data.yaml').unlink()
    (src / 'classes.txt').write_bytes('擦花'.encode('gbk'))
    with pytest.raises(ValueError, match=r'classes\.txt is not UTF-8 text'):
        convert_dataset(src, dst, 'yolo')


def test_two_yaml_files_with_names_are_not_guessed_from(tmp_path, dst):
    src = flat_yolo(tmp_path / 'src', {'a': [LINE]})
    (src / 'data.yaml').rename(src / 'a.yaml')
    write_text(src / 'b.yaml', NAMES)
    with pytest.raises(ValueError, match=r'a\.yaml and b\.yaml; call'):
        convert_dataset(src, dst, 'yolo')


def test_another_format_is_one_line(tmp_path, dst):
    src = flat_dataset(tmp_path / 'src', count=1)
    with pytest.raises(FileNotFoundError, match=r'no \.txt files'):
        convert_dataset(src, dst, 'yolo')
    write_image(tmp_path / 'other/images/a.png')
    with pytest.raises(FileNotFoundError, match=r'no \.txt files'):
        convert_dataset(tmp_path / 'other', dst, 'yolo')
