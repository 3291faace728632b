"""Stock configs of MMDetection, one per family and wrapper."""

# Family, and path below MMDetection's configs.
STOCK = (
    ('two-stage', 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
    (
        'C4, caffe weights',
        'faster_rcnn/faster-rcnn_r50-caffe-c4_ms-1x_coco.py',
    ),
    ('cascade', 'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py'),
    ('anchors', 'retinanet/retinanet_r18_fpn_1x_coco.py'),
    ('anchor-free', 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'),
    ('ATSS', 'atss/atss_r50_fpn_1x_coco.py'),
    ('GFL', 'gfl/gfl_r50_fpn_1x_coco.py'),
    ('TOOD', 'tood/tood_r50_fpn_1x_coco.py'),
    ('VFNet', 'vfnet/vfnet_r50_fpn_1x_coco.py'),
    ('DDOD', 'ddod/ddod_r50_fpn_1x_coco.py'),
    ('PAA', 'paa/paa_r50_fpn_1x_coco.py'),
    ('FoveaBox', 'foveabox/fovea_r50_fpn_4xb4-1x_coco.py'),
    ('RepPoints', 'reppoints/reppoints-moment_r50_fpn_1x_coco.py'),
    ('CenterNet', 'centernet/centernet_r18_8xb16-crop512-140e_coco.py'),
    ('YOLOF', 'yolof/yolof_r50-c5_8xb8-1x_coco.py'),
    ('SSD, VGG', 'ssd/ssd300_coco.py'),
    (
        'SSDLite, MobileNet',
        'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py',
    ),
    ('YOLOv3, DarkNet', 'yolo/yolov3_d53_8xb8-ms-416-273e_coco.py'),
    ('YOLOv3, MobileNet', 'yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py'),
    ('YOLOX: mosaic', 'yolox/yolox_tiny_8xb8-300e_coco.py'),
    (
        'RTMDet: cached mosaic, CSPNeXt',
        'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    ),
    ('RTMDet-Ins: polygons', 'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py'),
    ('DETR', 'detr/detr_r50_8xb2-150e_coco.py'),
    (
        'Deformable DETR',
        'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    ),
    (
        'Conditional DETR',
        'conditional_detr/conditional-detr_r50_8xb2-50e_coco.py',
    ),
    ('DAB-DETR', 'dab_detr/dab-detr_r50_8xb2-50e_coco.py'),
    ('DINO', 'dino/dino-4scale_r50_8xb2-12e_coco.py'),
    ('Sparse R-CNN', 'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py'),
    ('instance masks', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'),
    (
        'instance polygons',
        'mask_rcnn/mask-rcnn_r50-caffe_fpn_ms-poly-1x_coco.py',
    ),
    ('QueryInst', 'queryinst/queryinst_r50_fpn_1x_coco.py'),
    ('SOLOv2', 'solov2/solov2_r50_fpn_1x_coco.py'),
    ('CondInst', 'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py'),
    ('Mask2Former', 'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py'),
    ('HTC: semantic maps', 'htc/htc_r50_fpn_1x_coco.py'),
    ('panoptic', 'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'),
    (
        'Mask2Former, panoptic',
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py',
    ),
    ('Swin', 'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py'),
    (
        'ConvNeXt of mmpretrain',
        'convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py',
    ),
    ('PVTv2', 'pvt/retinanet_pvtv2-b0_fpn_1x_coco.py'),
    ('HRNet', 'hrnet/faster-rcnn_hrnetv2p-w18-1x_coco.py'),
    ('ResNeXt', 'faster_rcnn/faster-rcnn_x101-32x4d_fpn_1x_coco.py'),
    ('RegNet', 'regnet/faster-rcnn_regnetx-400MF_fpn_ms-3x_coco.py'),
    ('Res2Net', 'res2net/faster-rcnn_res2net-101_fpn_2x_coco.py'),
    (
        'ResNeSt',
        'resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py',
    ),
    (
        'EfficientNet',
        'efficientnet/retinanet_effb3_fpn_8xb4-crop896-1x_coco.py',
    ),
    ('group norm', 'gn/mask-rcnn_r50_fpn_gn-all_2x_coco.py'),
    ('VOC: Repeat, Concat', 'pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py'),
    ('LVIS', 'lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py'),
    ('Objects365', 'objects365/faster-rcnn_r50_fpn_16xb4-1x_objects365v1.py'),
    (
        'large-scale jitter',
        'retinanet/retinanet_r18_fpn_8xb8-amp-lsj-200e_coco.py',
    ),
    (
        'simple copy-paste',
        'simple_copy_paste/mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_'
        'syncbn-all_32xb2-ssj-scp-90k_coco.py',
    ),
    (
        'SoftTeacher',
        'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_'
        'semi-0.1-coco.py',
    ),
)
