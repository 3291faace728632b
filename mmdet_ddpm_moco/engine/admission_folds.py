"""A detector's config for one fold of its labels, and what it is made from.

No stage may have seen the images that it is judged on: each is made anew from
what is left, for each fold.
"""

import copy
from collections.abc import Collection, Mapping
from pathlib import Path

from mmengine.config import Config

from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from .admission_images import HeldOut
from .config_paths import moved
from .image_sets import ImageSet, labeled_source
from .inputs import (
    PARTS,
    own_hooks,
    reads,
    remove_empty_hooks,
    stage_outputs,
    stages_root,
)
from .pipelines import config_dicts
from .stage_config import stage_config
from .teacher_config import teacher_config

_LOADER = 'train_dataloader'


class Fold:
    """Files and configs of a fold.

    Args:
        cfg (Config): The detector's, its hooks filled; is not changed.
        labeled (ImageSet): Its labeled images.
        held_out (Collection[str]): File names of those of the fold.
        folder (Path): To write to.
        made_from (str): A hash of what the stages are made from: a detector
            of other stages is another run.

    Raises:
        FileNotFoundError: Unlabeled images or a config are missing.
        ValueError: A stage reads images of the fold that cannot be left out,
            or teachers start from weights that the stages do not make.
    """

    def __init__(
        self,
        cfg: Config,
        labeled: ImageSet,
        held_out: Collection[str],
        folder: Path,
        made_from: str,
    ) -> None:
        self.folder = folder
        self._made_from = made_from
        self.root = folder / 'stages'
        self._held_out = HeldOut(labeled, held_out, folder)
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
        # A copy: merging takes `_delete_` from what it merges.
        cfg.merge_from_dict(copy.deepcopy(dict(options)))
        # The settings may name other lists.
        self._held_out.leave_out(cfg[_LOADER])
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
            remove_backbone(cfg)
        name = '+'.join(part for part in PARTS if part in parts) or 'without'
        work_dir = self.folder / name
        cfg.work_dir = str(work_dir / self._made_from if parts else work_dir)
        return self._write(f'{name}/detector', cfg)

    def _write(self, name: str, cfg: Config) -> Path:
        file = self.folder / f'{name}.py'
        atomic_write_bytes(file, cfg.pretty_text.encode())
        return file

    def _with_stages(self, cfg: Config) -> Config:
        """The detector on this fold, its stages made from the other folds."""
        given, cfg = cfg, copy.deepcopy(cfg)
        for name in ('generator', 'backbone'):
            if cfg.stages.get(name):
                stage = stage_config(cfg, cfg.stages[name])
                self._use(cfg.stages[name], name, stage, given)
        if cfg.stages.get('teacher'):
            self._take_from_teachers(cfg, given)
        self._held_out.leave_out(cfg[_LOADER])
        test = copy.deepcopy(cfg.get('test_dataloader') or cfg.val_dataloader)
        for dataset in config_dicts(test):
            if 'ann_file' in dataset:
                dataset['ann_file'] = self._held_out.test
                dataset['data_prefix'] = dict(img=self._held_out.prefix)
        cfg.test_dataloader = test
        cfg.test_cfg = dict(type='TestLoop')
        cfg.test_evaluator = dict(
            type='CocoMetric', ann_file=self._held_out.test, metric='bbox'
        )
        for part in ('val_dataloader', 'val_cfg', 'val_evaluator'):
            cfg[part] = None
        cfg.stages.pop('admission', None)
        cfg.stages.root = str(self.root)
        return cfg

    def _use(
        self, recipe: dict, name: str, stage: Config, given: Config
    ) -> None:
        """Writes the config of a stage and names it in its recipe."""
        stage = moved(stage, str(stages_root(given)), str(self.root))
        self._held_out.leave_out(stage[_LOADER])
        recipe.pop('options', None)
        recipe['config'] = str(self._write(name, stage))

    def _take_from_teachers(self, cfg: Config, given: Config) -> None:
        """Takes the images of the fold from the teachers, in place."""
        recipe = cfg.stages.teacher
        teacher = stage_config(cfg, recipe)
        labels = labeled_source(teacher)[1]
        if recipe.get('config'):
            teacher = teacher_config(teacher)
            weights = stage_outputs(given).get('checkpoint')
            for hook in own_hooks(teacher):
                if not hook.get('checkpoint'):
                    continue
                if not (weights and reads(hook, 'checkpoint', weights)):
                    msg = (
                        'admission cannot make the weights '
                        f'{hook["checkpoint"]} of the teachers anew for each '
                        'fold: have `stages` make them, or leave out '
                        'stages.admission'
                    )
                    raise InputError(msg)
                hook['checkpoint'] = weights  # as it is moved
            self._use(recipe, 'teacher', teacher, given)
        else:
            # Else they have the data of the fold's detector.
            options = recipe.get('options') or {}
            others = {
                key: value
                for key, value in options.items()
                if key.split('.')[0] != _LOADER
            }
            if len(others) < len(options):
                loader = teacher[_LOADER]
                self._held_out.leave_out(loader)
                whole = dict(loader, _delete_=True)
                recipe.options = {**others, _LOADER: whole}
        recipe.unlabeled, recipe.unlabeled_prefix = self._held_out.unlabeled(
            recipe.unlabeled, recipe.get('unlabeled_prefix') or labels
        )


def remove_backbone(cfg: Config) -> None:
    """Removes the stage of weights that were turned away, in place.

    Teachers without a config of their own would start from them; such a
    config says itself what they start from.
    """
    if not (cfg.stages.get('teacher') or {}).get('config'):
        cfg.stages.pop('backbone', None)
