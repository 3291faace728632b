"""The documentation is true to the code: links, messages and configs."""

import ast
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from helpers.coco_maker import split_coco
from helpers.cvat_maker import DENT as CVAT_DENT
from helpers.cvat_maker import write_cvat
from helpers.labelme_maker import shape, write_labelme
from helpers.mask_maker import tile_dataset
from helpers.voc_maker import flat_dataset, load
from helpers.yolo_maker import split_yolo

ROOT = Path(__file__).parents[1]
GLOBS = ('*.md', 'docs/*.md', 'configs/**/*.md', 'benchmarks/**/*.md')
PAGES = sorted(page for pattern in GLOBS for page in ROOT.glob(pattern))
TROUBLES = ROOT / 'docs' / 'tuning-and-troubleshooting.md'
# Messages of setuptools, compilers and torch.
FOREIGN = ('No module named', 'DistributedDataParallel')


def anchors(page):
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r'^#+ (.*)$', page.read_text(), re.MULTILINE)
    kept = (re.sub(r'[^\w\- ]', '', text.lower()) for text in headings)
    return {text.strip().replace(' ', '-') for text in kept}


@pytest.mark.parametrize(
    'page', PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if link.startswith(('http://', 'https://')):
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def texts_of_the_code():
    """All strings of package and tools; gaps of f-strings are '…'."""
    for folder in ('mmdet_ddpm_moco', 'tools'):
        for path in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    yield ''.join(
                        part.value if isinstance(part, ast.Constant) else '…'
                        for part in node.values
                    )
                elif isinstance(node, ast.Constant):
                    yield str(node.value)


def test_quoted_messages_are_those_of_the_code():
    text = TROUBLES.read_text().split('## Error messages')[1]
    rows = re.findall(r'^\| (`[^|]*`) \|', text, re.MULTILINE)
    messages = [m for row in rows for m in re.findall(r'`([^`]*)`', row)]
    ours = [m for m in messages if not m.startswith(FOREIGN)]
    assert len(ours) > 25
    code = '\n'.join(texts_of_the_code())
    parts = {part.strip(' .,') for m in ours for part in m.split('…')}
    assert [part for part in sorted(parts) if part not in code] == []


def test_configs_of_own_images_are_read(tmp_path):
    """Written for a folder beside those of the shipped ones."""
    page = (ROOT / 'docs' / 'own-data.md').read_text()
    found = re.findall(
        r'`configs/mine/([\w-]+)\.py`.*?```python\n(.*?)```', page, re.DOTALL
    )
    for name, text in found:
        # Their relative bases are those of any folder in configs.
        text = text.replace("'../", f"'{ROOT}/configs/")
        (tmp_path / f'{name}.py').write_text(text)
    configs = {
        name: Config.fromfile(tmp_path / f'{name}.py') for name, _ in found
    }
    every = configs.pop('faster-rcnn_ddpm-moco')
    with_bank = configs.pop('with_bank')
    assert configs.keys() == {'faster-rcnn', 'baseline', 'ddpm', 'mocov2'}
    detector = configs['faster-rcnn']
    classes = detector.train_dataloader.dataset.metainfo.classes
    assert detector.model.roi_head.bbox_head.num_classes == len(classes)
    assert configs['ddpm'].model.num_classes == len(classes)
    for stage in ('generator', 'backbone'):
        assert Path(every.stages[stage].config).stem in configs
    assert every.stages.teacher == detector.stages.teacher
    assert configs['baseline'].stages.teacher is None
    assert len(configs['mocov2'].train_dataloader.dataset.sources) == 3
    # The stages with kinds replace those of the detector.
    (kinds,) = (
        text
        for text in re.findall(r'```python\n(.*?)```', page, re.DOTALL)
        if 'scenes=True' in text and '_base_' not in text
    )
    file = tmp_path / 'faster-rcnn.py'
    pasted = kinds.replace("'../", f"'{ROOT}/configs/")
    file.write_text(file.read_text() + pasted)
    stages = Config.fromfile(file).stages
    assert with_bank.stages.backbone == stages.backbone
    assert stages.pop('backbone').scenes is True
    assert stages == detector.stages


def labelme_dataset(root):
    """In the folder of a class, with labels in Chinese."""
    for number in range(30):
        write_labelme(
            root / 'scratch' / f'plate_{number}.jpg',
            shape('擦花', 'rectangle', (2, 4), (22, 14)),
            seed=number,
        )


# Makers of data sets in the layouts of the page, large enough for 20 shots.
LAYOUTS = dict(
    voc=lambda root: flat_dataset(root, count=30, names=('dent',)),
    coco=lambda root: split_coco(root, 'coco', train=20, val=3),
    yolo=lambda root: split_yolo(
        root, '{kind}/{split}', dict(train=20, val=3)
    ),
    labelme=labelme_dataset,
    cvat=lambda root: write_cvat(
        root, {f'plate_{number}.jpg': [CVAT_DENT] for number in range(30)}
    ),
    masks=lambda root: tile_dataset(root, count=30),
)


@pytest.mark.parametrize('name', LAYOUTS)
def test_conversions_of_own_images_run_as_written(
    name, tmp_path, monkeypatch, capsys
):
    page = (ROOT / 'docs' / 'own-data.md').read_text()
    (command,) = re.findall(
        rf'^python (tools/prepare_dataset\.py {name} <folder> .*)$',
        page,
        re.MULTILINE,
    )
    LAYOUTS[name](tmp_path / 'set')
    monkeypatch.chdir(tmp_path)
    tool, *options = shlex.split(command.replace('<folder>', 'set'))
    monkeypatch.setattr(sys, 'argv', [tool, *options])
    runpy.run_path(str(ROOT / tool), run_name='__main__')
    assert 'Findings: none.' in capsys.readouterr().out
    train = load(tmp_path / 'data/mine', 'train')
    classes = [category['name'] for category in train['categories']]
    assert len(train['images']) >= 20 * len(classes)
    if name == 'labelme':
        assert classes == ['scratch']
