"""Every kind of finding: what it means and what was done about it."""

KINDS = dict(
    filename_differs='the annotation names another image; paired by the '
    'name of the annotation file',
    size_differs='size in the annotation is not that of the image; the '
    'image counts',
    scaled_image='image was scaled after it was annotated; boxes scaled with '
    'it',
    paired_across_splits='image and annotation are in different splits; '
    'paired',
    renamed_image='different images of one name; parent folders added',
    identical_copy='same name and contents as another image; left out',
    joined_copies='identical copies of the image are annotated with other '
    'objects; joined',
    copies_disagree='one of identical copies is defect-free, another has '
    'defects; listed as unlabeled',
    image_without_xml='no annotation of the image; listed as unlabeled',
    xml_without_image='no image of the annotation; left out',
    xml_without_objects='no objects in the annotation; kept as defect-free',
    no_usable_objects='all objects were dropped; listed as unlabeled, '
    'since the image is not defect-free',
    unreadable_image='empty file or no image; left out',
    broken_xml='annotation cannot be read; its image is listed as unlabeled',
    drawn_before_rotation='size in the annotation is that before the image is '
    'rotated as its EXIF says, so that boxes do not fit; listed as unlabeled',
    similar_names='names of images that are one name on Windows and macOS',
    deep_image='more than 8 bits; read with 8, as mmdet does, so that a dark '
    'image loses details',
    name_differs='names of image and annotation differ in case, Unicode form '
    'or suffix; paired',
    image_without_json='no annotation of the image; listed as unlabeled',
    json_without_image='image of the annotation is missing; left out',
    json_without_objects='no objects in the annotation; kept as defect-free',
    broken_json='annotation cannot be read; its images are listed as '
    'unlabeled',
    not_utf8='text is not UTF-8; read as that of a Chinese Windows (GB18030). '
    'If a class has a wrong name, save the file as UTF-8',
    image_without_txt='no annotation of the image; listed as unlabeled',
    txt_without_image='no image of the annotation; left out',
    txt_without_objects='no objects in the annotation; kept as defect-free',
    broken_txt='annotation cannot be read; its image is listed as unlabeled',
    object_without_image='objects of images that are not listed; dropped',
    shared_image_id='several images of one id, so that their objects cannot '
    'be told apart; listed as unlabeled',
    listed_twice='image is listed with other objects or in another split too; '
    'objects joined, the first split counts',
    boxes_are_corners='bbox is x, y, x, y and not x, y, width, height in the '
    'whole file; read as such',
    image_without_mask='no mask of the image, which is in a folder of '
    'defects; listed as unlabeled',
    mask_without_image='no image of the mask; left out',
    broken_mask='mask cannot be used; its image is listed as unlabeled',
    mask_size_differs='mask is not of the size of its image, which is listed '
    'as unlabeled',
    empty_mask='nothing is marked, but the folder is one of defects; image '
    'listed as unlabeled',
    marked_defect_free='something is marked, but the folder is one of '
    'defect-free images; image listed as unlabeled',
    speck='marked area below the minimum; dropped',
    duplicate_box='box repeated with the same class; dropped',
    unusable_mask='mask is broken, empty or of another size than the image; '
    'box kept without it',
    crowd_region='region of many objects (iscrowd); kept as such and counted '
    'as no box; if it is an object drawn with the brush of CVAT, whose COCO '
    'export says so of all of these, export "CVAT for images 1.1" instead',
    crowds_are_objects='all objects of the file are masks with iscrowd, as '
    'CVAT exports those drawn with its brush; read as objects',
    difficult_object='marked as difficult in the annotation; kept like any '
    'other object, to train on and to test with',
    clipped_box='box extends beyond the image; clipped',
    sliver='less than 1 pixel of the width or height of the box is inside '
    'the image; dropped',
    thin_box='box is narrower or lower than 1 pixel, and MMDetection would '
    'leave it out; widened to 1 pixel around its center',
    box_outside_image='box is outside the image; dropped',
    empty_box='box has no or negative extent; dropped',
    unusable_coordinates='coordinates missing or not numbers; box dropped',
    unknown_class='class not among those asked for; box dropped',
    class_not_found='class asked for that no annotation has',
    rename_not_found='name to be renamed that no annotation has',
    similar_classes='names that differ in case or separators only; kept '
    'apart, --rename joins them',
    class_from_stem='object without class; taken from the name of the file',
    object_without_class='object without class; dropped',
    stray_file='file of another kind; ignored',
    large_group='near duplicates make up more than half of a class; the '
    'shares of the splits cannot be met. Different parts of one design that '
    'a fixed camera takes look so, too: then --no-group-near-duplicates',
    unlabeled_like_held_out='unlabeled image overlaps with one of val or '
    'test; do not pretrain on it if they are to stay unseen',
    unlisted_image='labeled image that none of the given lists names; in no '
    'split',
    near_duplicate_across_splits='image of val or test overlaps, directly or '
    'through others, with images of another split; kept there, as listed',
    given_split_unusable='the data set has a split, but none to train and '
    'test with; new splits drawn',
    split_list_without_image='list of a split that names no image of the '
    'data set, one a line; ignored',
    image_without_split='labeled image that is in none of the given splits; '
    'left out of them',
)
