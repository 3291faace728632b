# Contrastive weights alone.
_base_ = './faster-rcnn_r18_fpn_ddpm-moco_1xb4-720i_neu-det.py'

stages = dict(generator=None, bank=None)
