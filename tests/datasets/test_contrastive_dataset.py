"""Samples of each kind of source, and their dataset and image ids."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from helpers.contrastive_images import steel_sources, write_coco, write_image
from mmdet_ddpm_moco.bank.compositing import overlaps
from mmdet_ddpm_moco.datasets.contrastive_dataset import ContrastiveDataset


@pytest.fixture
def steel(tmp_path):
    return steel_sources(tmp_path)


def read(*sources):
    dataset = ContrastiveDataset(sources)
    rows = [dataset[i] for i in range(len(dataset))]
    assert [row['sample_idx'] for row in rows] == list(range(len(rows)))
    return dataset.metainfo['classes'], rows


def column(rows, key):
    return [row[key] for row in rows]


def names(rows):
    return [path.rsplit('/', 1)[1] for path in column(rows, 'img_path')]


class TestSources:
    def test_images(self, steel):
        classes, rows = read(steel['images'])
        assert classes == ()
        assert names(rows) == ['a.png', 'b.png', 'c.png']
        assert column(rows, 'dataset_id') == [0, 1, 2]
        assert column(rows, 'image_id') == [0, 1, 2]
        assert column(rows, 'crop') == [None] * 3

    def test_class(self, steel):
        classes, rows = read(dict(steel['shots'], min_size=4, context=1.0))
        assert classes == ('dent', 'scratch')
        assert names(rows) == ['a.png', 'a.png', 'c.png']
        assert column(rows, 'dataset_id') == [1, 0, 0]
        assert column(rows, 'image_id') == [0, 0, 1]
        assert column(rows, 'crop') == [
            (0, 0, 18, 18),
            (16, 18, 16, 8),
            (0, 0, 18, 18),
        ]
        assert column(rows, 'defect') == [
            (0, 0, 9, 9),
            (20, 20, 8, 4),
            (1, 1, 9, 9),
        ]

    def test_the_largest_defect_names_an_image(self, steel):
        classes, rows = read(dict(steel['shots'], crop=False))
        assert classes == ('dent', 'scratch')
        assert names(rows) == ['a.png', 'c.png']
        assert column(rows, 'dataset_id') == [1, 0]
        assert column(rows, 'defect') == [(0, 0, 9, 9), (1, 1, 9, 9)]
        _, rows = read(steel['bank'])
        assert column(rows, 'defect')[1] is None

    def test_bank(self, steel):
        classes, rows = read(steel['bank'])
        assert classes == ('background', 'dent', 'stain')
        assert column(rows, 'dataset_id') == [2, 0, 1]
        assert column(rows, 'crop') == [None] * 3

    def test_what_teachers_are_not_sure_of_is_left_out(self, tmp_path):
        boxes = dict(sure=[('dent', (2, 2, 9, 9))], unsure=[], clear=[])
        source = write_coco(
            tmp_path, {f'{name}.png': b for name, b in boxes.items()}, ['dent']
        )
        file = tmp_path / 'annotations.json'
        coco = json.loads(file.read_text())
        coco['images'][1]['pseudo_labeled'] = True
        crowd = dict(coco['annotations'][0], id=7, iscrowd=1, image_id=1)
        for crowds in ([], [crowd]):
            content = dict(coco, annotations=coco['annotations'] + crowds)
            file.write_text(json.dumps(content))
            classes, rows = read(dict(source, dataset_ids='class', crop=False))
            assert classes == ('background', 'dent')
            assert names(rows) == ['sure.png', 'clear.png']
            assert column(rows, 'dataset_id') == [1, 0]

    def test_folder(self, steel):
        classes, rows = read(steel['folder'])
        assert classes == ()
        assert names(rows) == ['1.jpg', '2.PNG']
        assert column(rows, 'dataset_id') == [0, 1]

    def test_several_sources(self, steel):
        classes, rows = read(
            steel['images'], steel['shots'], steel['bank'], steel['folder']
        )
        # By name, whatever ids the jsons give: dent is the first class.
        assert classes == ('background', 'dent', 'scratch', 'stain')
        a, b, c = 0, 1, 2
        bank, folder = [3, 4, 5], [6, 7]
        assert column(rows, 'image_id') == [a, b, c, a, a, c, *bank, *folder]
        own = [4 + i for i in (a, b, c)]
        assert column(rows, 'dataset_id') == [
            *own,
            *[2, 1, 1],
            *[3, 0, 1],
            *[4 + i for i in folder],
        ]

    def test_order_of_sources_does_not_change_class_ids(self, steel):
        def ids(*sources):
            classes, rows = read(*sources)
            return classes, {
                (r['img_path'], r['crop']): r['dataset_id']
                for r in rows
                if r['dataset_id'] < len(classes)
            }

        assert ids(steel['bank'], steel['shots']) == ids(
            steel['shots'], steel['bank']
        )

    def test_repeat(self, steel):
        _, rows = read(dict(steel['folder'], repeat=2), steel['folder'])
        assert column(rows, 'dataset_id') == [0, 1] * 3
        assert column(rows, 'image_id') == [0, 1] * 3

    def test_background(self, steel):
        """Windows clear of every box, of the sizes that defects have."""
        source = dict(steel['shots'], min_size=4, context=0.0, background=3)
        classes, rows = read(source)
        assert classes == ('background', 'dent', 'scratch')
        _, again = read(source)
        assert rows == again
        background = [row for row in rows if row['dataset_id'] == 0]
        assert names(background) == ['a.png'] * 3 + ['c.png'] * 3
        boxes = {
            'a.png': [(0, 0, 9, 9), (20, 20, 8, 4)],
            'c.png': [(1, 1, 9, 9)],
        }
        sizes = {(9, 9), (8, 4)}
        for row, name in zip(background, names(background)):
            assert row['crop'][2:] in sizes
            assert not any(overlaps(row['crop'], b) for b in boxes[name])
        assert len(set(column(background, 'crop'))) > 3

    def test_no_background_without_a_defect_free_area(self, tmp_path):
        full = write_coco(
            tmp_path, {'a.png': [('dent', (0, 0, 40, 40))]}, ['dent']
        )
        _, rows = read(dict(full, dataset_ids='class', background=5))
        assert len(rows) == 1

    def test_folder_names(self, steel, tmp_path):
        write_image(tmp_path / 'folder' / '3.png')
        classes, rows = read(dict(steel['folder'], dataset_ids='folder'))
        assert classes == ('folder', 'x', 'x/y')
        assert names(rows) == ['3.png', '1.jpg', '2.PNG']
        assert column(rows, 'dataset_id') == [0, 1, 2]

    def test_a_folder_is_the_class_of_its_name(self, steel, tmp_path):
        write_image(tmp_path / 'folder' / 'dent' / '3.png')
        weak = dict(steel['folder'], dataset_ids='folder')
        classes, rows = read(steel['shots'], weak)
        dents = [r for r in rows if r['dataset_id'] == classes.index('dent')]
        assert names(dents) == ['a.png', 'c.png', '3.png']

    def test_column_of_a_table(self, steel, tmp_path):
        table = tmp_path / 'lines.csv'
        table.write_text('line,file_name\nL2,b.png\nL1,a.png\n,c.png\n')
        classes, rows = read(
            dict(
                table=str(table),
                img_prefix=steel['images']['img_prefix'],
                dataset_ids='column',
                column='line',
            )
        )
        assert classes == ('L1', 'L2')
        assert names(rows) == ['b.png', 'a.png', 'c.png']
        # The line of c.png is unknown: it is a dataset of its own.
        assert column(rows, 'dataset_id') == [1, 0, 4]

    def test_spaces_in_a_table_separate_no_datasets(self, steel, tmp_path):
        table = tmp_path / 'lines.csv'
        table.write_text('line, file_name \nA, b.png\n A,a.png \nA ,c.png\n')
        source = dict(table=str(table), column='line', dataset_ids='column')
        prefix = steel['images']['img_prefix']
        classes, rows = read(dict(source, img_prefix=prefix))
        assert classes == ('A',)
        assert names(rows) == ['b.png', 'a.png', 'c.png']
        assert column(rows, 'dataset_id') == [0, 0, 0]

    @pytest.mark.parametrize('share', [0.1, 0.25, 0.5, 0.8])
    def test_share(self, steel, share):
        _, rows = read(
            dict(steel['images'], repeat=10), dict(steel['bank'], share=share)
        )
        found = Counter(names(rows))
        shared = [found[name] for name in ('0.png', '1.png', '2.png')]
        assert sum(found.values()) == 30 + sum(shared)
        assert sum(shared) == round(30 * share / (1 - share))
        assert max(shared) - min(shared) <= 1

    def test_two_shares(self, steel):
        _, rows = read(
            dict(steel['bank'], share=0.25),
            dict(steel['images'], repeat=4),
            dict(steel['folder'], share=0.5),
        )
        folders = Counter(r['img_path'].split('/')[-2] for r in rows)
        assert len(rows) == 48
        assert folders['bank'] == folders['steel'] == 12

    def test_links_to_one_file_are_one_image(self, steel, tmp_path):
        (tmp_path / 'other').symlink_to(tmp_path / 'folder')
        other = dict(img_folder=str(tmp_path / 'other'), dataset_ids='image')
        _, rows = read(steel['folder'], other)
        assert column(rows, 'image_id') == [0, 1, 0, 1]


def test_needs_neither_mmpretrain_nor_mmdet():
    code = (
        'import sys;'
        'import mmdet_ddpm_moco.datasets.contrastive_dataset;'
        'import mmdet_ddpm_moco.datasets.transforms.crop_to_sample;'
        "sys.exit(bool({'mmpretrain', 'mmdet'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
