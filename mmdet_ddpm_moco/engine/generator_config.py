"""A generator that learns from scenes as well as from labels."""

from pathlib import Path

from mmengine.config import Config

from ..teacher.defects import FILE, common_prefix
from ..utils.errors import InputError
from .image_sets import labeled_source, unlabeled_source
from .inputs import stages_root


def learn_from_scenes(
    generator: Config, detector: Config, teacher: Config | None
) -> None:
    """Gives a generator the defects that teachers found, too, in place.

    It is asked for by ``stages.generator.scenes=True``; else nothing
    changes. A bank painted by it has windows on scenes, too.

    Args:
        generator (Config): Its images are replaced.
        detector (Config): With the stages.
        teacher (Config | None): From
            :func:`~mmdet_ddpm_moco.engine.teacher_config.teacher_config`.

    Raises:
        ValueError: There is no ``stages.teacher``.
    """
    if not detector.stages.generator.get('scenes'):
        return
    if teacher is None:
        msg = (
            'stages.generator has scenes=True, but the stages have no '
            'teacher=dict(unlabeled=...) to make them'
        )
        raise InputError(msg)
    recipe = detector.stages.teacher
    labeled = labeled_source(teacher)[1]
    unlabeled = unlabeled_source(
        recipe['unlabeled'], recipe.get('unlabeled_prefix'), labeled
    )
    dataset = generator.train_dataloader.dataset
    dataset.ann_file = str(Path(stages_root(detector)) / 'scenes' / FILE)
    dataset.img_prefix = str(common_prefix([labeled, unlabeled]))
