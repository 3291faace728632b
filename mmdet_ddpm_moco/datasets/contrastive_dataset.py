"""The training data of the contrastive stage.

Images of several origins become one list of samples, and each sample is told
which *dataset*, in the sense of the dataset-level loss, it belongs to.
"""

import os
from collections.abc import Sequence

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..utils.errors import InputError
from .contrastive_sources import mix, read_source
from .labeled_images import BACKGROUND


@DATASETS.register_module()
class ContrastiveDataset(BaseDataset):
    """Samples for momentum contrast, from several sources.

    A source is one of

    - ``dict(ann_file=…, img_prefix=…, dataset_ids='alone')``: the images of
      a COCO json, their annotations unread. Each image is its own dataset.
    - ``dict(img_folder=…, dataset_ids='alone')``: all images in a folder
      and below it.
    - ``dict(ann_file=…, img_prefix=…, dataset_ids='class')``: each
      annotated box, enlarged by ``context`` (a share of its sides, defaults
      to 0.5) and to ``min_size`` pixels at least (defaults to 32). Its
      class is its dataset. With ``background=n`` also n windows of each
      image that are clear of every box; they are the dataset
      ``background``.
    - the same with ``crop=False``: each *image*, the dataset being the class
      of its largest box, and ``background`` where it has none. Banks of
      synthesized windows are read so.
    - ``dict(img_folder=…, dataset_ids='folder')``: the folder an image lies
      in is its dataset. Where folders are kinds of defect, these are weak
      labels: say so beside every result.
    - ``dict(table=…, img_prefix=…, dataset_ids='column', column=…)``: a CSV
      file with the columns ``file_name`` and that one, such as the
      production line, whose values are the datasets. Where a cell is empty
      the image stands alone.

    Any source may say ``repeat=n``: its samples come n times per epoch; or
    ``share=s``: they are repeated, or evenly left out, until they are this
    share of an epoch.

    Each sample is a dict: ``img_path`` (str), ``crop`` (tuple ``(x, y, w,
    h)`` in pixels, or None), ``dataset_id`` (int), ``image_id`` (int) and
    ``sample_idx`` (int). Classes are joined by *name* over all sources and
    come first in the dataset ids, in alphabetical order; ``metainfo``'s
    ``classes`` lists them. The ids of the images that stand alone follow.
    Samples from one image *file* share the ``image_id``, whatever sources
    they come from.

    Args:
        sources (Sequence[dict]): One or more sources.
        pipeline (Sequence[dict]): Transforms. Defaults to ().
        lazy_init (bool): Read the sources at first use. Defaults to False.

    Raises:
        FileNotFoundError: A json, table, folder or image is missing.
        ValueError: A source that says something else than the above.
    """

    def __init__(
        self,
        sources: Sequence[dict],
        pipeline: Sequence[dict] = (),
        lazy_init: bool = False,
    ) -> None:
        if not sources:
            msg = 'sources is empty; name at least one source of images'
            raise InputError(msg)
        self.sources = sources
        super().__init__(pipeline=list(pipeline), lazy_init=lazy_init)

    def load_data_list(self) -> list[dict]:
        """Reads all sources.

        Returns:
            list[dict]: The samples, see the class; in the order of the
            sources.
        """
        sources = [read_source(source) for source in self.sources]
        samples = mix(sources)
        names = set().union(*(source.classes for source in sources))
        if any(sample.dataset == BACKGROUND for sample in samples):
            names.add(BACKGROUND)
        classes = sorted(names)
        self._metainfo['classes'] = tuple(classes)
        class_ids = {name: index for index, name in enumerate(classes)}
        image_ids: dict[str, int] = {}
        data_list = []
        for sample in samples:
            file = os.path.realpath(sample.path)
            image_id = image_ids.setdefault(file, len(image_ids))
            alone = sample.dataset is None
            data_list.append(
                dict(
                    img_path=str(sample.path),
                    crop=sample.crop,
                    dataset_id=len(classes) + image_id
                    if alone
                    else class_ids[sample.dataset],
                    image_id=image_id,
                )
            )
        return data_list
