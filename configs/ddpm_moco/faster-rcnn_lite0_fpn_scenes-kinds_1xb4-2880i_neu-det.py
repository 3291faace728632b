# The same with a backbone pretrained by the dataset-level loss, whose datasets
# are the kinds that labels and teachers tell: what has been measured to help
# where images are tested in their flips, too (tools/test.py --tta).
_base_ = './faster-rcnn_lite0_fpn_scenes_1xb4-2880i_neu-det.py'

stages = dict(
    backbone=dict(
        config='../mocov2/mocov2_lite0_1xb64-coslr-530i_neu-det.py',
        scenes=True,
        # Images of one kind are not told apart.
        options={'model.head.loss.instance_weight': 0.0},
    ),
)
