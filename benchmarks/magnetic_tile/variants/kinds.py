# Scenes, and a backbone pretrained by the dataset-level loss, whose datasets
# are the kinds that labels and teachers tell. As measured on NEU-DET.
_base_ = './scenes.py'

stages = dict(
    backbone=dict(
        config='../../../configs/mocov2/mocov2_lite0_1xb64-coslr-530i_neu-det.py',
        scenes=True,
        options={'model.head.loss.instance_weight': 0.0},
    ),
)
