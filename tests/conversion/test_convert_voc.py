import json

import pytest
from pycocotools.coco import COCO

from helpers.voc_maker import (
    by_name,
    kinds,
    load,
    snapshot,
    voc_xml,
    write_image,
    write_xml,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.report import (
    KINDS,
    FindingsError,
    format_report,
)

SPLITS = ('train', 'val', 'test')


def test_a_clean_dataset_becomes_clean_coco(src, dst, capsys):
    report = convert_dataset(src, dst, few_shot=[2, 4])
    assert report.findings == {}
    sizes = dict(train=14, val=2, test=4, train_2=4, train_4=8, unlabeled=0)
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
    convert_dataset(src, dst, few_shot=[2, 4])
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
    convert_dataset(src, dst, few_shot=[2, 4])
    first = snapshot(dst)
    convert_dataset(src, dst, few_shot=[2, 4])
    assert snapshot(dst) == first
    convert_dataset(src, tmp_path / 'elsewhere', few_shot=[2, 4])
    assert snapshot(tmp_path / 'elsewhere') == first
    convert_dataset(src, dst, few_shot=[2, 4], seed=1)
    assert snapshot(dst) != first


def test_classes_choose_and_order_the_categories(src, dst):
    write_xml(
        src / 'ANNOTATIONS/dent_1.xml',
        objects=[('dent', 3, 5, 22, 14), ('rust', 1, 1, 9, 9)],
    )
    report = convert_dataset(
        src, dst, ratio=(1, 0, 0), classes=['worn', 'rust'],
        group_near_duplicates=False,
    )  # fmt: skip
    names = [entry['name'] for entry in load(dst, 'train')['categories']]
    assert names == ['worn', 'rust']
    assert load(dst, 'train')['categories'][1]['id'] == 2
    # What shows only other classes is not free of defects.
    assert len(by_name(dst, 'train')) == 11
    assert len(by_name(dst, 'unlabeled')) == 9
    assert {len(files) for files in kinds(report).values()} == {1, 9, 10}
    assert set(kinds(report)) == {
        'class_not_found', 'unknown_class', 'no_usable_objects'
    }  # fmt: skip
    assert {d for _, d in report.findings['unknown_class']} == {'dent'}


def test_strict_writes_nothing(src, dst):
    convert_dataset(src, dst, strict=True)
    first = snapshot(dst)
    (src / 'IMAGES/notes.txt').write_text('x')
    with pytest.raises(FindingsError, match='1 findings') as caught:
        convert_dataset(src, dst, strict=True, seed=5)
    assert kinds(caught.value.report) == dict(stray_file=['IMAGES/notes.txt'])
    assert snapshot(dst) == first


def test_the_report_names_everything_and_the_screen_a_few(src, dst):
    for number in range(1, 9):
        path = src / 'ANNOTATIONS' / f'dent_{number}.xml'
        path.write_text(voc_xml('x', [('dent', 3, 5, 22, 14)]))
    report = convert_dataset(src, dst, few_shot=[2])
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
            dent=dict(images=7, boxes=7, groups=7),
            rust=dict(images=7, boxes=7, groups=7),
        ),
        without_boxes=0,
        groups_without_boxes=0,
        images=14,
        boxes=14,
        groups=14,
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
    ('options', 'message'),
    [
        (dict(ratio=(0.5, 0.1, 0.1)), 'sum 1'),
        (dict(few_shot=[0]), 'few-shot 0'),
        (dict(few_shot=[8]), 'few-shot 8 is more than the 7'),
        (dict(classes=['dent', 'dent']), 'different'),
        (dict(dataset_format='yolo9'), "unknown format 'yolo9'.*voc"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(
    src, dst, options, message
):
    with pytest.raises(ValueError, match=message):
        convert_dataset(src, dst, **options)
    assert not dst.exists()


def test_a_target_that_cannot_be_written_is_one_line(src, dst):
    dst.write_text('a file')
    with pytest.raises(OSError, match='cannot write') as caught:
        convert_dataset(src, dst)
    assert '\n' not in str(caught.value)
