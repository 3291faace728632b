"""Errors of sources that cannot be read are one line."""

import pytest

from helpers.contrastive_images import (
    steel_sources,
    write_coco,
    write_image,
)
from mmdet_ddpm_moco.datasets.contrastive_dataset import ContrastiveDataset
from mmdet_ddpm_moco.utils.errors import InputError


@pytest.fixture
def steel(tmp_path):
    return steel_sources(tmp_path)


def lines(steel, table):
    """A source whose datasets are the lines of a table."""
    return dict(
        table=str(table),
        img_prefix=steel['images']['img_prefix'],
        dataset_ids='column',
        column='line',
    )


class TestRefusals:
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
            ContrastiveDataset([dict(steel['images'], **changes)])
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

    def test_a_class_named_as_the_defect_free_windows(self, steel, tmp_path):
        named = write_coco(
            tmp_path / 'steel',
            {'a.png': [('background', (0, 0, 9, 9))]},
            ['background'],
            'named.json',
        )
        named = dict(named, dataset_ids='class')
        ContrastiveDataset([named, steel['shots']])
        with_windows = dict(steel['shots'], background=1)
        for sources in ([dict(named, background=1)], [named, with_windows]):
            with pytest.raises(
                InputError, match=r"named\.json has a class 'background'"
            ) as e:
                ContrastiveDataset(sources)
            assert '\n' not in str(e.value)

    def test_a_folder_named_as_the_defect_free_windows(self, steel, tmp_path):
        """Its images are such, as its name says."""
        write_image(tmp_path / 'sorted' / 'background' / '1.png')
        folder = dict(
            img_folder=str(tmp_path / 'sorted'), dataset_ids='folder'
        )
        data = ContrastiveDataset([dict(steel['shots'], background=1), folder])
        assert data.metainfo['classes'].count('background') == 1

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
    def test_shares_without_a_source_to_share_with(self, steel, shares):
        others = [steel['images']] if len(shares) > 1 else []
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
    def test_incomplete_table(self, steel, tmp_path, text, message):
        table = tmp_path / 'lines.csv'
        table.write_text(text)
        source = lines(steel, table)
        with pytest.raises(ValueError, match=rf'lines\.csv has {message}'):
            ContrastiveDataset([source])
        table.unlink()
        with pytest.raises(FileNotFoundError, match=r'lines\.csv'):
            ContrastiveDataset([source])

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            ('file_name,line\na.png,Süd\n'.encode('latin-1'), 'as UTF-8'),
            ('file_name,line\na.png,1\n'.encode('utf-16'), 'as UTF-8'),
            (b'file_name,line\na.png,1\n\n,2\n', r'row 4 of .*lines\.csv'),
            (b'line,file_name\n1,a.png\n2\n', r'row 3 of .*lines\.csv'),
        ],
        ids=['latin', 'utf-16', 'empty cell', 'no cell'],
    )
    def test_damaged_table(self, steel, tmp_path, content, message):
        table = tmp_path / 'lines.csv'
        table.write_bytes(content)
        source = lines(steel, table)
        with pytest.raises(InputError, match=message) as e:
            ContrastiveDataset([source])
        assert '\n' not in str(e.value)

    @pytest.mark.parametrize('kind', ['images', 'shots', 'bank'])
    @pytest.mark.parametrize('content', ['{"images": [', '[]', '{}'])
    def test_damaged_json(self, steel, tmp_path, kind, content):
        file = tmp_path / 'cut.json'
        file.write_text(content)
        source = dict(steel[kind], ann_file=str(file))
        with pytest.raises(InputError, match=r'cut\.json is damaged') as e:
            ContrastiveDataset([source])
        assert '\n' not in str(e.value)

    @pytest.mark.parametrize('kind', ['images', 'shots', 'bank'])
    def test_missing_json(self, steel, kind):
        source = dict(steel[kind], ann_file='/nowhere/x.json')
        with pytest.raises(FileNotFoundError, match=r'/nowhere/x\.json'):
            ContrastiveDataset([source])

    @pytest.mark.parametrize('kind', ['images', 'shots', 'bank'])
    def test_missing_images(self, steel, kind, tmp_path):
        source = dict(steel[kind], img_prefix=str(tmp_path / 'gone'))
        with pytest.raises(FileNotFoundError, match=r'gone.* first$') as e:
            ContrastiveDataset([source])
        assert '\n' not in str(e.value)

    def test_one_missing_image_is_named(self, steel, tmp_path):
        (tmp_path / 'steel' / 'b.png').unlink()
        with pytest.raises(FileNotFoundError, match=r'1 of 3 .*b\.png'):
            ContrastiveDataset([steel['images']])

    def test_folder_without_images(self, tmp_path):
        source = dict(img_folder=str(tmp_path), dataset_ids='image')
        with pytest.raises(FileNotFoundError, match='no image'):
            ContrastiveDataset([source])
