"""The page of a run: all that is there, and nothing that runs."""

import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from helpers.made_runs import (
    EVIL,
    write_run,
    write_start,
    write_submission,
)
from mmdet_ddpm_moco.report_page import detections, page
from mmdet_ddpm_moco.report_page.page import write_report


class Reader(HTMLParser):
    """Texts of a page, and what it loads."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.loads, self.scripts = [], [], 0
        self._inside = ''
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        self.scripts += tag == 'script'
        for name, value in attrs:
            if name in ('src', 'href', 'srcset', 'data', 'action'):
                self.loads.append(value)
            assert not name.startswith('on')

    def handle_data(self, data):
        if self._inside not in ('style', 'script') and data.strip():
            self.texts.append(data.strip())

    def handle_endtag(self, tag):
        self._inside = ''


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path)


def read(folder):
    return Reader(write_report(folder).read_text())


def test_it_shows_what_each_stage_left(run):
    texts = read(run).texts
    for text in (
        'speck',  # finding
        '77',  # images in groups of near duplicates
        '20.0',  # side of a box of 16 x 25 pixels
        'near copy',  # gate
        'Real, masked and synthesized after 200 iterations',
        '(last 0.4375)',  # k-NN accuracy
        'by chance',
        '(last 6.75)',
        '3 teachers labeled 780 images.',
        '0.75',  # recall of teachers
        'backbone.pth -> ResNet: coverage 99 %',
        'load model from: package://lite0',
        '25.0',  # AP of dents at the last validation
        'dent, AP50 62.5',
        '12.50',  # minutes of the detector, from its log
        '1.50',  # of the bank, measured
        'python tools/synthesize.py',
        'python tools/test.py',
    ):
        assert text in texts, text


def test_other_lines_of_the_log_are_left_out(run):
    assert not any('annotations.' in text for text in read(run).texts)


def test_a_class_called_script_is_shown_as_that(run):
    reader = read(run)
    assert reader.scripts == 1  # our own
    assert reader.texts.count(EVIL) > 5


def test_nothing_is_loaded(run):
    loads = read(run).loads
    assert len(loads) > 7
    for link in loads:
        assert link.startswith(('#', 'data:image/'))


def test_noise_in_all_pictures_stays_below_8_mb(tmp_path):
    run = write_run(tmp_path, side=1800)
    file = write_report(run)
    assert file.read_text().count('data:image/') == 4
    assert file.stat().st_size < 8_000_000


def test_the_three_newest_submissions_are_shown(tmp_path):
    run = write_run(tmp_path)
    for number in range(4):
        folder = run / f'test{number}'
        write_submission(folder, tmp_path / 'data', ('dent', EVIL))
        os.utime(folder / 'submission.json', (number, number))
    texts = ' '.join(read(run).texts)
    shown = [n for n in range(4) if f'test{n}: 2 images of' in texts]
    assert shown == [2, 3]  # beside the one of the run, which is newer
    assert 'Older submissions are not shown: test1, test0.' in texts


def edit_list(run, change):
    """Changes each annotation of the list of the run's submission."""
    file = run.parents[1] / 'data/annotations/train.json'
    coco = json.loads(file.read_text())
    for annotation in coco['annotations']:
        change(annotation)
    file.write_text(json.dumps(coco))
    return file, coco


@pytest.fixture
def cells(monkeypatch):
    """What is cut out, as detected or missed and its category and box."""
    cut = []

    def box_cell(box, *_, detected):
        cut.append((detected, box['category_id'], box['bbox']))
        return np.zeros((168, 168, 3), np.uint8)

    monkeypatch.setattr(detections, 'box_cell', box_cell)
    return cut


def test_pictures_are_of_what_was_measured(run, cells):
    def change(annotation):
        annotation['id'] -= 1
        del annotation['area']

    file, coco = edit_list(run, change)
    # The detector lacks this category.
    coco['categories'].append(dict(id=9, name='other'))
    more = dict(id=2, image_id=1, category_id=9, bbox=[0, 0, 60, 60])
    file.write_text(
        json.dumps(dict(coco, annotations=[*coco['annotations'], more]))
    )
    record = json.loads((run / 'submission/submission.json').read_text())
    rows = []
    draw = detections.grid

    def grid(given):
        rows.extend(map(len, given))
        return draw(given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detections, 'grid', grid)
        (picture,) = detections.best_and_worst(run / 'submission', record)
    assert picture.kind == 'picture'
    assert rows == [1, 1, 1]  # right, wrong, missed
    assert cells == [
        (True, 0, [4, 4, 16, 25]),
        (True, 1, [40, 40, 9, 9]),
        (False, 1, [4, 4, 16, 25]),
    ]


def test_tables_and_curves_stay_without_the_picture(run):
    edit_list(run, lambda annotation: annotation.pop('bbox'))
    texts = read(run).texts
    assert 'dent, AP50 62.5' in texts
    (note,) = (t for t in texts if t.startswith('No pictures of detections'))
    assert 'has neither a bbox' in note


def test_the_root_of_the_stages_shows_the_same(run):
    root = read(run.parent).texts
    own = read(run).texts
    # But for the name of the folder.
    assert [a for a, b in zip(root, own) if a != b] == ['run', 'run']


def test_a_run_that_crashed_in_its_first_stage(tmp_path):
    run = write_run(tmp_path)
    root = run.parent
    for name in ('moco', 'scenes', 'bank'):
        (root / name).rename(tmp_path / name)
    (root / 'ddpm/generator').rmdir()
    for path in [*run.iterdir()]:
        if path.name != 'run_record.json':
            path.rename(tmp_path / path.name)
    texts = ' '.join(read(run).texts)
    for text in (
        'has no finished generator.',
        'Real, masked and synthesized after 200 iterations',
        'No defect bank.',
        'No contrastive pretraining of the backbone.',
        'No teachers.',
        'The detector has not logged anything yet.',
        'No detections: tools/test.py',
        'not begun',
    ):
        assert text in texts


def test_an_unfinished_bank_and_unfinished_teachers(run):
    root = run.parent
    (root / 'bank/manifest.json').unlink()
    (root / 'bank/settings.json').write_text('{}')
    (root / 'bank/records').mkdir()
    (root / 'bank/records/000000.json').write_text('{}')
    (root / 'scenes/scenes.json').unlink()
    (root / 'scenes/report.md').unlink()
    (root / 'scenes/teachers/0').mkdir(parents=True)
    texts = ' '.join(read(run).texts)
    assert 'bank is unfinished: 1 blocks are written.' in texts
    assert '1 teachers were begun, 0 have labeled' in texts


@pytest.mark.parametrize(
    'name, part',
    [
        ('bank/manifest.json', 'bank'),
        ('detector/submission/metrics.json', 'tests'),
        ('../data/report.json', 'conversion'),
    ],
)
def test_a_damaged_file_costs_its_part_alone(run, name, part):
    (run.parent / name).write_text('{')
    texts = ' '.join(read(run).texts)
    assert f'Not shown, {part} cannot be read: JSONDecodeError' in texts
    assert '3 teachers labeled 780 images.' in texts


def test_the_folder_of_a_generator(tmp_path):
    config = "model = dict(type='mmdet_ddpm_moco.DefectDDPM')"
    write_start(tmp_path / 'ddpm', [dict(loss=0.5, step=1)], config)
    texts = read(tmp_path / 'ddpm').texts
    assert 'Loss of the generator' in texts
    assert 'No detector was trained here.' in texts


def test_a_config_that_cannot_be_read(run):
    for file in run.glob('*/vis_data/config.py'):
        file.write_text('import none_such')
    texts = ' '.join(read(run).texts)
    assert 'No config of a detector: its data are not known.' in texts
    assert '(last 0.3)' in texts  # its curves are


@pytest.mark.parametrize('name', ['none', ''])
def test_a_folder_without_a_run(tmp_path, name):
    with pytest.raises(FileNotFoundError, match='work folder of a'):
        write_report(tmp_path / name)


def test_only_our_own_script_and_style_may_run(run):
    html = write_report(run).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "default-src 'none'" in policy
    for tag in ('style', 'script'):
        text = re.search(f'<{tag}>(.*?)</{tag}>', html, re.DOTALL)[1]
        # Jinja escapes the quotes, which the browser undoes.
        allowed = page._content_hash(text).strip("'")
        assert f'{tag}-src &#39;{allowed}&#39;' in policy


def test_names_of_classes_are_no_numbers(run):
    names = '01', '1_0', 'nan', '1.5'
    (run.parent / 'scenes/report.md').write_text(
        '| class | boxes | recall |\n| --- | --- | --- |\n'
        + ''.join(f'| {name} | 2 | 0.5 |\n' for name in names)
    )
    texts = read(run).texts
    assert {*names, '0.50'} <= {*texts}


def test_what_admission_said(run):
    root = run.parent
    (root / 'admission').mkdir()
    (root / 'admission/report.md').write_text(
        '# Do the parts help?\n\nAP50 in folds.\n\n'
        '| part | AP50 without | kept |\n| --- | ---: | --- |\n'
        '| bank <b> | 50.1 | no |\n'
    )
    texts = read(run).texts
    assert 'AP50 in folds.' in texts
    assert 'bank <b>' in texts


def test_a_folder_as_output_is_refused(run):
    with pytest.raises(ValueError, match=r'is a folder; .*report\.html'):
        write_report(run, run)
