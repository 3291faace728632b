"""Writes the pretrained backbone, the file that a detector needs."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...checkpoints.backbone_file import RECORD, backbone_file, plain
from ...utils.checks import check_arguments
from ...utils.dist import unwrap_model
from ...utils.fileio import atomic_torch_save
from ...utils.provenance import KEY, Record, merge_records
from ...version import __version__
from ..training_images import (
    annotation_hashes,
    images_seen_before,
    images_trained_on,
)


@HOOKS.register_module()
class ExportBackboneHook(Hook):
    """Writes the query backbone to ``<work_dir>/backbone.pth``.

    The file holds ``state_dict`` (keys ``backbone.*``) and ``meta`` in plain
    types: ``package_version``, ``arch`` (the config of the backbone),
    ``head`` (the config of the loss), ``epochs``, ``iters``,
    ``ann_files``, the SHA-256 of each annotation file by its name, and
    ``images_seen``, the provenance record of the training images (None
    where the dataset does not name its files) and of those that the weights
    were made from that the run starts from (``load_from``, the ``init_cfg``
    of model and backbone). No date and no host: the same run gives the same
    file. Training checkpoints hold the same as ``meta['backbone_record']``.

    Args:
        out (str): Name of the file, inside the work folder unless it is
            absolute. Defaults to 'backbone.pth'.
    """

    def __init__(self, out: str = 'backbone.pth') -> None:
        check_arguments(locals(), out=(bool(out), 'the name of a file'))
        self.out = out
        self._ann_files: dict[str, str | None] = {}
        self._images_seen: Record | None = None

    def before_train(self, runner: Runner) -> None:
        """Records annotations and images before they can change."""
        if is_main_process():
            dataset = runner.train_dataloader.dataset
            self._ann_files = annotation_hashes(dataset)
            self._images_seen = merge_records(
                images_trained_on(dataset), images_seen_before(runner.cfg)
            )

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Adds the record to a training checkpoint."""
        meta = checkpoint['meta']
        meta[RECORD] = self._record(runner, meta['epoch'], meta['iter'])

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Writes the file."""
        model = unwrap_model(runner.model)
        record = self._record(runner, runner.epoch, runner.iter)
        path = Path(runner.work_dir) / self.out
        atomic_torch_save(backbone_file(model.state_dict(), record), path)
        runner.logger.info(f'backbone written to {path}')

    def _record(
        self, runner: Runner, epochs: int, iters: int
    ) -> dict[str, Any]:
        model = runner.cfg.get('model') or {}
        return plain(
            {
                'package_version': __version__,
                'arch': model.get('backbone'),
                'head': model.get('head'),
                'epochs': epochs,
                'iters': iters,
                'ann_files': self._ann_files,
                KEY: self._images_seen,
            }
        )
