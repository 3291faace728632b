"""A detector's config for one fold of its labels, and what it is made from.

No stage may have seen the images that it is judged on: each is made anew from
what is left, for each fold.
"""

import copy
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes, json_bytes
from ..utils.paths import find_config
from ..utils.provenance import fingerprints
from .config_paths import moved
from .image_sets import ImageSet, unlabeled_images
from .inputs import ann_files, own_hooks, stages_root
from .pipelines import config_dicts

# Arguments of the hook, in the order in which they are judged.
PARTS = ('checkpoint', 'scenes', 'bank')
_CONFIGS = ('generator', 'backbone')


class Fold:
    """Files and configs of a fold.

    Args:
        cfg (Config): The detector's, its hooks filled; is not changed.
        labeled (ImageSet): Its labeled images.
        held_out (Collection[str]): File names of those of the fold.
        folder (Path): To write to.

    Raises:
        FileNotFoundError: Unlabeled images or a config are missing.
        ValueError: A stage reads images of the fold that cannot be left out.
    """

    def __init__(
        self,
        cfg: Config,
        labeled: ImageSet,
        held_out: Collection[str],
        folder: Path,
    ) -> None:
        self.folder = folder
        self.root = folder / 'stages'
        self._labeled = labeled
        self._others: dict[Path, str] = {}  # lists without the fold
        self._prefix = str(labeled.prefix.resolve())
        names = {image['file_name'] for image in labeled.coco['images']}
        self.test = self._write('held_out', labeled.subset({*held_out}))
        self._train = self._write(
            'labeled', labeled.subset(names - {*held_out})
        )
        paths = [labeled.prefix / name for name in held_out]
        self._hidden = {f.content for f in fingerprints(paths).values()}
        self._cfg = self._with_stages(cfg)

    def detector(self, parts: Collection[str], options: Mapping) -> Path:
        """Writes the config of a detector with some of the parts.

        Args:
            parts (Collection[str]): Of :data:`PARTS`.
            options (Mapping): Settings that replace those of the detector.

        Returns:
            Path: The config; it is tested on the images of the fold.
        """
        cfg = copy.deepcopy(self._cfg)
        cfg.merge_from_dict(dict(options))
        made = dict(
            checkpoint=str(self.root / 'moco' / 'backbone.pth'),
            scenes=str(self.root / 'scenes'),
            bank=str(self.root / 'bank'),
        )
        for hook in own_hooks(cfg):
            for part in PARTS:
                if part in hook:
                    del hook[part]
                    if part in parts:
                        hook[part] = made[part]
        remove_empty_hooks(cfg)
        if 'checkpoint' not in parts:
            # Teachers would start from it.
            cfg.stages.pop('backbone', None)
        name = '+'.join(part for part in PARTS if part in parts) or 'without'
        cfg.work_dir = str(self.folder / name)
        file = self.folder / name / 'detector.py'
        atomic_write_bytes(file, cfg.pretty_text.encode())
        return file

    def _write(self, name: str, coco: dict) -> str:
        file = self.folder.resolve() / f'{name}.json'
        atomic_write_bytes(file, json_bytes(coco))
        return str(file)

    def _with_stages(self, cfg: Config) -> Config:
        """The detector on this fold, its stages made from the other folds."""
        old = str(stages_root(cfg))
        cfg = copy.deepcopy(cfg)
        for name in _CONFIGS:
            recipe = cfg.stages.get(name)
            if recipe:
                path = find_config(recipe.config, cfg.filename)
                stage = Config.fromfile(path)
                stage.merge_from_dict(dict(recipe.pop('options', None) or {}))
                stage = moved(stage, old, str(self.root))
                self._leave_out(stage.train_dataloader)
                file = self.folder / f'{name}.py'
                atomic_write_bytes(file, stage.pretty_text.encode())
                recipe.config = str(file)
        teacher = cfg.stages.get('teacher')
        if teacher:
            others = unlabeled_images(
                teacher.unlabeled,
                teacher.get('unlabeled_prefix'),
                self._labeled,
            )
            teacher.unlabeled = self._write('unlabeled', others.coco)
            teacher.unlabeled_prefix = str(others.prefix.resolve())
        self._leave_out(cfg.train_dataloader)
        test = copy.deepcopy(cfg.get('test_dataloader') or cfg.val_dataloader)
        for dataset in config_dicts(test):
            if 'ann_file' in dataset:
                dataset['ann_file'] = self.test
                dataset['data_prefix'] = dict(img=self._prefix)
        cfg.test_dataloader = test
        cfg.test_cfg = dict(type='TestLoop')
        cfg.test_evaluator = dict(
            type='CocoMetric', ann_file=self.test, metric='bbox'
        )
        for part in ('val_dataloader', 'val_cfg', 'val_evaluator'):
            cfg[part] = None
        cfg.stages.pop('admission', None)
        cfg.stages.root = str(self.root)
        return cfg

    def _leave_out(self, loader: Any) -> None:
        """Replaces annotations by those without the images of the fold."""
        for source in config_dicts(loader):
            self._check_folder(source)
            own = {k: source.get(k) for k in ('ann_file', 'data_root')}
            for file in map(Path, ann_files(own)):
                if file.resolve() == self._labeled.ann_file.resolve():
                    source['ann_file'] = self._train
                elif file.is_file():
                    if file not in self._others:
                        self._others[file] = self._filtered(file, source)
                    source['ann_file'] = self._others[file]

    def _check_folder(self, source: dict) -> None:
        folder = source.get('img_folder')
        if not folder:
            return
        files = [path for path in Path(folder).rglob('*') if path.is_file()]
        seen = {f.content for f in fingerprints(files).values()}
        if seen & self._hidden:
            msg = (
                f'the folder {folder} has labeled images, and admission needs '
                'the contrast without those of a fold: name a COCO json of '
                'the images instead, as ann_file'
            )
            raise InputError(msg)

    def _filtered(self, file: Path, source: dict) -> str:
        """A COCO json without the images of the fold, perhaps itself."""
        coco = json.loads(file.read_bytes())
        prefix = source.get('img_prefix')
        if prefix is None:
            inner = (source.get('data_prefix') or {}).get('img', '')
            prefix = Path(source.get('data_root') or '') / inner
        images = ImageSet(file, coco, Path(prefix))
        known = fingerprints(images.paths())
        names = {
            image['file_name']
            for image, path in zip(coco['images'], images.paths())
            if str(path) not in known
            or known[str(path)].content not in self._hidden
        }
        if len(names) == len(coco['images']):
            return str(file.resolve())
        return self._write(f'others_{len(self._others)}', images.subset(names))


def remove_empty_hooks(cfg: Config) -> None:
    """Removes our hooks that have nothing left to give, in place.

    Without arguments a hook would take all that the stages make.
    """
    empty = [h for h in own_hooks(cfg) if not {*PARTS} & {*h}]
    cfg.custom_hooks = [
        hook
        for hook in cfg.get('custom_hooks') or ()
        if not any(hook is other for other in empty)
    ]
    named = cfg.get('default_hooks') or {}
    for name, hook in list(named.items()):
        if any(hook is other for other in empty):
            del named[name]
