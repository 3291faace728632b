"""Collects what a detector finds, whether or not the truth is known."""

from pathlib import Path
from typing import Any

from mmdet.evaluation import CocoMetric
from mmengine.registry import METRICS

from ..utils.fileio import write_json


@METRICS.register_module()
class SubmissionMetric(CocoMetric):
    """Writes detections, and which images were tested, to a json file.

    ``CocoMetric`` loses the images in which nothing was found, and writes
    boxes and masks apart.

    Args:
        file (str): Gets ``tested`` (image ids), ``masks`` (bool) and
            ``detections`` in COCO's results format.
        category_ids (list): Id of the category of each label.
        ann_file (str): COCO json of the images.
    """

    def __init__(self, file: str, category_ids: list, ann_file: str) -> None:
        super().__init__(ann_file=ann_file)
        self.file = Path(file)
        self.category_ids = category_ids

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Writes the file, on the main process; there are no metrics."""
        found = [result for _, result in results]
        write_json(
            self.file,
            dict(
                tested=[result['img_id'] for result in found],
                masks=any('masks' in result for result in found),
                detections=[
                    detection
                    for result in found
                    for detection in self._detections(result)
                ],
            ),
        )
        return {}

    def _detections(self, result: dict[str, Any]) -> list[dict[str, Any]]:
        # A detector that scores masks apart is judged by those scores.
        scores = result.get('mask_scores', result['scores'])
        detections = []
        for index, label in enumerate(result['labels'].tolist()):
            detection = dict(
                image_id=result['img_id'],
                category_id=self.category_ids[label],
                bbox=self.xyxy2xywh(result['bboxes'][index]),
                score=float(scores[index]),
            )
            if 'masks' in result:
                mask = result['masks'][index]
                counts = mask['counts']
                if isinstance(counts, bytes):
                    counts = counts.decode()
                size = [int(side) for side in mask['size']]
                detection['segmentation'] = dict(size=size, counts=counts)
            detections.append(detection)
        return detections
