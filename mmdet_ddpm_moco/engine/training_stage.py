"""A stage that trains a config of its own: the generator or the backbone."""

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log

from ..utils.provenance import contents_digest
from .inputs import ann_files, images_of, stage_outputs
from .pipelines import config_dicts
from .stage import Stage, clear_away, flags, quoted
from .training import can_resume, is_finished, train


def training_stage(
    detector: Config, name: str, cfg: Config, output: Path
) -> Stage:
    """The stage of a generator or a backbone.

    Args:
        detector (Config): With the stages.
        name (str): Of the stage among them.
        cfg (Config): Its own config, with the ``work_dir``.
        output (Path): What its training exports.

    Returns:
        Stage: Resumes what was killed; output of other settings is set
        aside, as is that of images which have changed.
    """

    def images() -> Iterator[Path]:
        return images_of(_given(cfg.train_dataloader, detector))

    @cache
    def contents() -> str | None:
        return contents_digest(images())

    def fresh() -> bool:
        return output.exists() and is_finished(cfg, contents())

    def make() -> None:
        resume = can_resume(cfg, contents())
        if resume:
            print_log(f'resuming the unfinished run in {cfg.work_dir}')
        elif is_main_process():
            clear_away(Path(cfg.work_dir))
        barrier()
        train(cfg, resume, contents())

    recipe = detector.stages[name]
    if recipe.get('scenes'):
        # The stage's own config knows nothing of them.
        command = quoted('python', 'tools/train.py', detector.filename)
    else:
        command = quoted('python', 'tools/train.py', cfg.filename)
        command += f' {flags(dict(work_dir=cfg.work_dir))}'
        if recipe.get('options'):
            command += f' {flags(dict(cfg_options=recipe["options"]))}'
    return Stage(name, output, fresh, make, command, images)


def _given(loader: Config, detector: Config) -> Config:
    """Without what stages before make: those name their images themselves.

    What is on disk there may be of other labels, and is then made anew.
    """
    loader = copy.deepcopy(loader)
    made = {Path(path).resolve() for path in stage_outputs(detector).values()}
    for source in config_dicts(loader):
        own = {key: source.get(key) for key in ('ann_file', 'data_root')}
        for file in ann_files(own):
            if made & {*Path(file).resolve().parents}:
                source['ann_file'] = ''
    return loader
