"""Testing a detector."""

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..checkpoints.weights_only import weights_file
from ..utils.errors import InputError


def test(
    cfg: Config, checkpoint: str | Path, results: str | Path | None = None
) -> tuple[dict, Path | None]:
    """Tests a detector on its test images.

    Args:
        cfg (Config): With ``work_dir`` and ``launcher`` set.
        checkpoint (str | Path): Weights of the whole detector.
        results (str | Path | None): Where to write the detections, less the
            ending. Defaults to None.

    Returns:
        tuple[dict, Path | None]: The metrics (``coco/bbox_mAP``, ...; in
        [0, 1]) and the file of detections in the COCO results format.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It holds code or no weights, or the config has several
            evaluators or one that writes no COCO results.
    """
    if results is not None:
        evaluator = cfg.test_evaluator
        kind = (
            str(evaluator.get('type'))
            if isinstance(evaluator, dict)
            else 'a list'
        )
        if not kind.endswith('CocoMetric'):
            msg = (
                'detections are written by CocoMetric; test_evaluator '
                f'is {kind}'
            )
            raise InputError(msg)
        evaluator.outfile_prefix = str(results)
    # MMEngine's own loader falls back to executing what it cannot read.
    with weights_file(checkpoint) as file:
        cfg.load_from = str(file)
        runner = (
            RUNNERS.build(cfg)
            if 'runner_type' in cfg
            else Runner.from_cfg(cfg)
        )
        metrics = runner.test()
    return metrics, results and Path(f'{results}.bbox.json')
