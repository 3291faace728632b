# faster-rcnn_lite0_fpn_small.py in two thirds of its time per step on a CPU.
_base_ = './faster-rcnn_lite0_fpn_small.py'

model = dict(
    # The stride of the finest map, not the coarsest: images of 200 pixels
    # stay as they are instead of growing to 224. For images of one size
    # alone: this backbone pads a map of an odd side on both sides, of an even
    # one more on the far side, so all below is shifted by half a cell. With
    # several sizes boxes are then found in the wrong place: take 32.
    data_preprocessor=dict(pad_size_divisor=8),
    roi_head=dict(
        # Computes the same.
        bbox_roi_extractor=dict(type='mmdet_ddpm_moco.TableRoIExtractor'),
        bbox_head=dict(fc_out_channels=256),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=200)),
)
