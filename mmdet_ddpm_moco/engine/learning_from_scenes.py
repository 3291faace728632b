"""A generator or a backbone that learns from scenes as well as from labels."""

from pathlib import Path

from mmengine.config import Config

from ..teacher.defects import FILE, common_prefix
from ..utils.errors import InputError
from .image_sets import labeled_source, unlabeled_source
from .inputs import hook_configs, stages_root
from .pipelines import type_name


def learn_from_scenes(
    name: str, stage: Config, detector: Config, teacher: Config | None
) -> None:
    """Gives a stage what teachers found, beside the labels, in place.

    It is asked for by ``scenes=True`` of the stage; else nothing changes. A
    *generator* learns the defects that labels and teachers tell, and a bank
    painted by it has windows on scenes, too. A *backbone* sees the labeled
    and unlabeled images in place of the sources of its config, and the kinds
    of their defects are the datasets of its dataset-level loss. The k-NN
    accuracy of its ``ContrastiveProgressHook`` is that of the labels.

    Args:
        name (str): ``generator`` or ``backbone``.
        stage (Config): Its images are replaced.
        detector (Config): With the stages.
        teacher (Config | None): From
            :func:`~mmdet_ddpm_moco.engine.teacher_config.teacher_config`.

    Raises:
        ValueError: There is no ``stages.teacher``.
    """
    if not detector.stages[name].get('scenes'):
        return
    if teacher is None:
        msg = (
            f'stages.{name} has scenes=True, but the stages have no '
            'teacher=dict(unlabeled=...) to make them'
        )
        raise InputError(msg)
    recipe = detector.stages.teacher
    labels, labeled = labeled_source(teacher)
    unlabeled = unlabeled_source(
        recipe['unlabeled'], recipe.get('unlabeled_prefix'), labeled
    )
    known = dict(
        ann_file=str(Path(stages_root(detector)) / 'scenes' / FILE),
        img_prefix=str(common_prefix([labeled, unlabeled])),
    )
    dataset = stage.train_dataloader.dataset
    if name == 'generator':
        dataset.update(known)
    else:
        dataset.sources = [dict(known, dataset_ids='class', crop=False)]
        images = dict(ann_file=str(labels), img_prefix=str(labeled))
        for hook in hook_configs(stage):
            shows_progress = type_name(hook) == 'ContrastiveProgressHook'
            if shows_progress and hook.get('labeled'):
                hook['labeled'].update(images)
