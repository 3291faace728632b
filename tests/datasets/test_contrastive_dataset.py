"""Which samples there are, and which dataset each is told it belongs to."""

import subprocess
import sys
from collections import Counter

import pytest
from contrastive_images import write_coco, write_image
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.datasets.compositing import overlaps
from mmdet_ddpm_moco.datasets.contrastive_dataset import ContrastiveDataset
from mmdet_ddpm_moco.datasets.sample_lists import enlarged_box


@pytest.fixture
def steel(tmp_path):
    """Two jsons over one folder of images, a bank, and a plain folder."""
    folder = tmp_path / 'steel'
    alone = write_coco(
        folder,
        {
            'a.png': [('scratch', (0, 0, 9, 9))],
            'b.png': [],
            'c.png': [('dent', (1, 1, 9, 9))],
        },
        ['scratch', 'dent'],
        'train.json',
    )
    shots = write_coco(
        folder,
        {
            'a.png': [('scratch', (0, 0, 9, 9)), ('dent', (20, 20, 8, 4))],
            'c.png': [('dent', (1, 1, 9, 9))],
        },
        ['dent', 'scratch'],
        'shots.json',
    )
    bank = write_coco(
        tmp_path / 'bank',
        {
            '0.png': [('stain', (0, 0, 5, 5))],
            '1.png': [],
            '2.png': [('stain', (9, 9, 3, 3)), ('dent', (0, 0, 5, 5))],
        },
        ['stain', 'dent'],
    )
    for name in ('x/1.jpg', 'x/y/2.PNG'):
        write_image(tmp_path / 'plain' / name)
    (tmp_path / 'plain' / 'readme.txt').write_text('no image')
    return dict(
        alone=dict(alone, dataset_ids='alone'),
        shots=dict(shots, dataset_ids='class'),
        bank=dict(bank, dataset_ids='class', crop=False),
        plain=dict(img_folder=str(tmp_path / 'plain'), dataset_ids='alone'),
    )


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
    def test_alone(self, steel):
        classes, rows = read(steel['alone'])
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

    def test_bank(self, steel):
        classes, rows = read(steel['bank'])
        assert classes == ('background', 'dent', 'stain')
        assert column(rows, 'dataset_id') == [2, 0, 1]
        assert column(rows, 'crop') == [None] * 3

    def test_folder(self, steel):
        classes, rows = read(steel['plain'])
        assert classes == ()
        assert names(rows) == ['1.jpg', '2.PNG']
        assert column(rows, 'dataset_id') == [0, 1]

    def test_together(self, steel):
        classes, rows = read(
            steel['alone'], steel['shots'], steel['bank'], steel['plain']
        )
        # By name, whatever ids the jsons give: dent is the first class.
        assert classes == ('background', 'dent', 'scratch', 'stain')
        a, b, c = 0, 1, 2
        bank, plain = [3, 4, 5], [6, 7]
        assert column(rows, 'image_id') == [a, b, c, a, a, c, *bank, *plain]
        alone = [4 + i for i in (a, b, c)]
        assert column(rows, 'dataset_id') == [
            *alone,
            *[2, 1, 1],
            *[3, 0, 1],
            *[4 + i for i in plain],
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
        _, rows = read(dict(steel['plain'], repeat=2), steel['plain'])
        assert column(rows, 'dataset_id') == [0, 1] * 3
        assert column(rows, 'image_id') == [0, 1] * 3

    def test_background(self, steel):
        """Windows clear of every box, of the sizes that defects have."""
        source = dict(steel['shots'], min_size=4, context=0.0, background=3)
        classes, rows = read(source)
        assert classes == ('background', 'dent', 'scratch')
        _, again = read(source)
        assert rows == again
        ground = [row for row in rows if row['dataset_id'] == 0]
        assert names(ground) == ['a.png'] * 3 + ['c.png'] * 3
        boxes = {
            'a.png': [(0, 0, 9, 9), (20, 20, 8, 4)],
            'c.png': [(1, 1, 9, 9)],
        }
        sizes = {(9, 9), (8, 4)}
        for row, name in zip(ground, names(ground)):
            assert row['crop'][2:] in sizes
            assert not any(overlaps(row['crop'], b) for b in boxes[name])
        assert len(set(column(ground, 'crop'))) > 3

    def test_no_ground_is_free(self, tmp_path):
        full = write_coco(
            tmp_path, {'a.png': [('dent', (0, 0, 40, 40))]}, ['dent']
        )
        _, rows = read(dict(full, dataset_ids='class', background=5))
        assert len(rows) == 1

    def test_folder_names(self, steel, tmp_path):
        write_image(tmp_path / 'plain' / '3.png')
        classes, rows = read(dict(steel['plain'], dataset_ids='folder'))
        assert classes == ('plain', 'x', 'x/y')
        assert names(rows) == ['3.png', '1.jpg', '2.PNG']
        assert column(rows, 'dataset_id') == [0, 1, 2]

    def test_a_folder_joins_the_class_of_its_name(self, steel, tmp_path):
        write_image(tmp_path / 'plain' / 'dent' / '3.png')
        weak = dict(steel['plain'], dataset_ids='folder')
        classes, rows = read(steel['shots'], weak)
        dents = [r for r in rows if r['dataset_id'] == classes.index('dent')]
        assert names(dents) == ['a.png', 'c.png', '3.png']

    def test_column_of_a_table(self, steel, tmp_path):
        table = tmp_path / 'lines.csv'
        table.write_text('line,file_name\nL2,b.png\nL1,a.png\n,c.png\n')
        classes, rows = read(
            dict(
                table=str(table),
                img_prefix=steel['alone']['img_prefix'],
                dataset_ids='column',
                column='line',
            )
        )
        assert classes == ('L1', 'L2')
        assert names(rows) == ['b.png', 'a.png', 'c.png']
        # c.png's line is unknown: it stands alone.
        assert column(rows, 'dataset_id') == [1, 0, 4]

    @pytest.mark.parametrize('share', [0.1, 0.25, 0.5, 0.8])
    def test_share(self, steel, share):
        _, rows = read(
            dict(steel['alone'], repeat=10), dict(steel['bank'], share=share)
        )
        found = Counter(names(rows))
        shared = [found[name] for name in ('0.png', '1.png', '2.png')]
        assert sum(found.values()) == 30 + sum(shared)
        assert sum(shared) == round(30 * share / (1 - share))
        assert max(shared) - min(shared) <= 1

    def test_two_shares(self, steel):
        _, rows = read(
            dict(steel['bank'], share=0.25),
            dict(steel['alone'], repeat=4),
            dict(steel['plain'], share=0.5),
        )
        folders = Counter(r['img_path'].split('/')[-2] for r in rows)
        assert len(rows) == 48
        assert folders['bank'] == folders['steel'] == 12

    def test_links_to_one_file_are_one_image(self, steel, tmp_path):
        (tmp_path / 'other').symlink_to(tmp_path / 'plain')
        other = dict(img_folder=str(tmp_path / 'other'), dataset_ids='alone')
        _, rows = read(steel['plain'], other)
        assert column(rows, 'image_id') == [0, 1, 0, 1]


class TestFaults:
    def test_no_sources(self):
        with pytest.raises(ValueError, match='sources is empty'):
            ContrastiveDataset([])

    @pytest.mark.parametrize(
        'changes',
        [
            dict(dataset_ids='folder'),
            dict(dataset_ids='column'),
            dict(dataset_ids=None),
            dict(img_folder='also'),
            dict(context=0.5),
        ],
    )
    def test_unknown_kind(self, steel, changes):
        with pytest.raises(ValueError, match='a source has ann_file') as e:
            ContrastiveDataset([dict(steel['alone'], **changes)])
        assert '\n' not in str(e.value)

    @pytest.mark.parametrize('missing', ['ann_file', 'img_prefix'])
    def test_incomplete(self, steel, missing):
        del steel['shots'][missing]
        with pytest.raises(ValueError, match='a source has ann_file'):
            ContrastiveDataset([steel['shots']])

    @pytest.mark.parametrize(
        'changes',
        [
            dict(repeat=0),
            dict(context=-1),
            dict(min_size=0),
            dict(background=-1),
        ],
    )
    def test_out_of_range(self, steel, changes):
        name = next(iter(changes))
        with pytest.raises(ValueError, match=f'{name}.* at least'):
            ContrastiveDataset([dict(steel['shots'], **changes)])

    def test_background_of_whole_images(self, steel):
        with pytest.raises(ValueError, match=r'background .*crop=False'):
            ContrastiveDataset([dict(steel['bank'], background=1)])

    @pytest.mark.parametrize('share', [0, 1, -0.5, 2])
    def test_share_out_of_range(self, steel, share):
        with pytest.raises(ValueError, match=r'share of a source .*\(0, 1\)'):
            ContrastiveDataset(
                [steel['shots'], dict(steel['bank'], share=share)]
            )

    def test_share_and_repeat(self, steel):
        source = dict(steel['bank'], share=0.5, repeat=2)
        with pytest.raises(ValueError, match='repeat not given with it'):
            ContrastiveDataset([steel['shots'], source])

    @pytest.mark.parametrize('shares', [(0.5, 0.5), (0.7, 0.6), (0.2,)])
    def test_shares_that_leave_nothing_to_share_with(self, steel, shares):
        others = [steel['alone']] if len(shares) > 1 else []
        sources = [dict(steel['bank'], share=share) for share in shares]
        with pytest.raises(ValueError, match='shares of the sources sum to'):
            ContrastiveDataset([*others, *sources])

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('name,line\na.png,1\n', 'no file_name'),
            ('file_name\na.png\n', 'no line'),
            ('', 'no file_name and no line'),
            ('file_name,line\n', 'no row'),
        ],
    )
    def test_poor_table(self, steel, tmp_path, text, message):
        table = tmp_path / 'lines.csv'
        table.write_text(text)
        source = dict(
            table=str(table),
            img_prefix=steel['alone']['img_prefix'],
            dataset_ids='column',
            column='line',
        )
        with pytest.raises(ValueError, match=rf'lines\.csv has {message}'):
            ContrastiveDataset([source])
        table.unlink()
        with pytest.raises(FileNotFoundError, match=r'lines\.csv'):
            ContrastiveDataset([source])

    @pytest.mark.parametrize('kind', ['alone', 'shots', 'bank'])
    def test_missing_json(self, steel, kind):
        source = dict(steel[kind], ann_file='/nowhere/x.json')
        with pytest.raises(FileNotFoundError, match=r'/nowhere/x\.json'):
            ContrastiveDataset([source])

    @pytest.mark.parametrize('kind', ['alone', 'shots', 'bank'])
    def test_missing_images(self, steel, kind, tmp_path):
        source = dict(steel[kind], img_prefix=str(tmp_path / 'gone'))
        with pytest.raises(FileNotFoundError, match=r'gone.* first$') as e:
            ContrastiveDataset([source])
        assert '\n' not in str(e.value)

    def test_one_missing_image_is_named(self, steel, tmp_path):
        (tmp_path / 'steel' / 'b.png').unlink()
        with pytest.raises(FileNotFoundError, match=r'1 of 3 .*b\.png'):
            ContrastiveDataset([steel['alone']])

    def test_folder_without_images(self, tmp_path):
        source = dict(img_folder=str(tmp_path), dataset_ids='alone')
        with pytest.raises(FileNotFoundError, match='no image'):
            ContrastiveDataset([source])


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    context=st.floats(0, 3),
    min_size=st.integers(1, 80),
)
def test_enlarged_box(data, width, height, context, min_size):
    x = data.draw(st.integers(0, width - 1))
    y = data.draw(st.integers(0, height - 1))
    w = data.draw(st.integers(1, width - x))
    h = data.draw(st.integers(1, height - y))
    left, top, new_w, new_h = enlarged_box(
        (x, y, w, h), (width, height), context, min_size
    )
    for start, length, first, new, limit in (
        (x, w, left, new_w, width),
        (y, h, top, new_h, height),
    ):
        assert 0 <= first <= start
        assert start + length <= first + new <= limit
        wanted = max(length * (1 + context), min_size)
        assert new == limit or wanted <= new < wanted + 1
        centred = abs((first + new / 2) - (start + length / 2)) <= 1
        assert centred or first == 0 or first + new == limit


def test_needs_neither_mmpretrain_nor_mmdet():
    code = (
        'import sys;'
        'import mmdet_ddpm_moco.datasets.contrastive_dataset;'
        'import mmdet_ddpm_moco.datasets.transforms.crop_to_sample;'
        "sys.exit(bool({'mmpretrain', 'mmdet'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
