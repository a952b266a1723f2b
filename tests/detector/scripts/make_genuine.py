"""Write an artifact as the built-in algorithm leaves it, with random weights.

Same structure and node names as its ResNet-50 symbol (pre-activation residual units, extra feature layers, an
anchor layer for each, the four training heads), narrow and short, and dated back to MXNet 1.3, whose JSON is
upgraded while it is loaded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np

NUM_CLASSES = 2
SIDE = 300
SIZES = [(0.1, 0.141421), (0.2, 0.272029), (0.37, 0.44699), (0.54, 0.619193)]
RATIOS = [(1, 2, 0.5), (1, 2, 0.5, 3, 1.0 / 3), (1, 2, 0.5, 3, 1.0 / 3), (1, 2, 0.5)]
target = Path(sys.argv[1])


def residual_unit(data, filters, stride, name):
    bn1 = mx.sym.BatchNorm(data=data, fix_gamma=False, eps=2e-5, momentum=0.9, name=name + "_bn1")
    act1 = mx.sym.Activation(data=bn1, act_type="relu", name=name + "_relu1")
    conv1 = mx.sym.Convolution(
        data=act1,
        num_filter=filters,
        kernel=(3, 3),
        stride=stride,
        pad=(1, 1),
        no_bias=True,
        name=name + "_conv1",
    )
    shortcut = mx.sym.Convolution(
        data=act1, num_filter=filters, kernel=(1, 1), stride=stride, no_bias=True, name=name + "_sc"
    )
    return conv1 + shortcut


data = mx.sym.Variable("data")
label = mx.sym.Variable("label")
body = mx.sym.BatchNorm(data=data, fix_gamma=True, eps=2e-5, momentum=0.9, name="bn_data")
body = mx.sym.Convolution(
    data=body, num_filter=8, kernel=(7, 7), stride=(2, 2), pad=(3, 3), no_bias=True, name="conv0"
)
body = mx.sym.BatchNorm(data=body, fix_gamma=False, eps=2e-5, momentum=0.9, name="bn0")
body = mx.sym.Activation(data=body, act_type="relu", name="relu0")
body = mx.sym.Pooling(data=body, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
body = residual_unit(body, 16, (2, 2), "stage1_unit1")
layers = [residual_unit(body, 16, (2, 2), "stage2_unit1")]
for index in range(3):
    reduced = mx.sym.Convolution(
        data=layers[-1], kernel=(1, 1), num_filter=8, name=f"multi_feat_{index + 2}_conv_1x1_conv"
    )
    reduced = mx.sym.Activation(data=reduced, act_type="relu", name=f"multi_feat_{index + 2}_conv_1x1_relu")
    grown = mx.sym.Convolution(
        data=reduced,
        kernel=(3, 3),
        stride=(2, 2),
        pad=(1, 1),
        num_filter=16,
        name=f"multi_feat_{index + 2}_conv_3x3_conv",
    )
    layers.append(
        mx.sym.Activation(data=grown, act_type="relu", name=f"multi_feat_{index + 2}_conv_3x3_relu")
    )
loc_layers, cls_layers, anchor_layers = [], [], []
for layer, sizes, ratios in zip(layers, SIZES, RATIOS, strict=True):
    anchors = len(sizes) - 1 + len(ratios)
    loc = mx.sym.Convolution(
        data=layer, num_filter=anchors * 4, kernel=(3, 3), pad=(1, 1), name=f"{layer.name}_loc_pred_conv"
    )
    loc_layers.append(mx.sym.Flatten(data=mx.sym.transpose(loc, axes=(0, 2, 3, 1))))
    cls = mx.sym.Convolution(
        data=layer,
        num_filter=anchors * (NUM_CLASSES + 1),
        kernel=(3, 3),
        pad=(1, 1),
        name=f"{layer.name}_cls_pred_conv",
    )
    cls_layers.append(mx.sym.Flatten(data=mx.sym.transpose(cls, axes=(0, 2, 3, 1))))
    prior = mx.sym.contrib.MultiBoxPrior(
        layer, sizes=sizes, ratios=ratios, clip=False, name=f"{layer.name}_anchors"
    )
    anchor_layers.append(mx.sym.Flatten(data=prior))
loc_preds = mx.sym.Concat(*loc_layers, dim=1, name="multibox_loc_pred")
cls_preds = mx.sym.Concat(*cls_layers, dim=1)
cls_preds = mx.sym.Reshape(data=cls_preds, shape=(0, -1, NUM_CLASSES + 1))
cls_preds = mx.sym.transpose(cls_preds, axes=(0, 2, 1), name="multibox_cls_pred")
anchor_boxes = mx.sym.Concat(*anchor_layers, dim=1)
anchor_boxes = mx.sym.Reshape(data=anchor_boxes, shape=(0, -1, 4), name="multibox_anchors")
tmp = mx.sym.contrib.MultiBoxTarget(
    anchor_boxes,
    label,
    cls_preds,
    overlap_threshold=0.5,
    ignore_label=-1,
    negative_mining_ratio=3,
    minimum_negative_samples=0,
    negative_mining_thresh=0.5,
    variances=(0.1, 0.1, 0.2, 0.2),
    name="multibox_target",
)
cls_prob = mx.sym.SoftmaxOutput(
    data=cls_preds,
    label=tmp[2],
    ignore_label=-1,
    use_ignore=True,
    grad_scale=1.0,
    multi_output=True,
    normalization="valid",
    name="cls_prob",
)
loc_loss_ = mx.sym.smooth_l1(name="loc_loss_", data=tmp[1] * (loc_preds - tmp[0]), scalar=1.0)
loc_loss = mx.sym.MakeLoss(loc_loss_, grad_scale=1.0, normalization="valid", name="loc_loss")
cls_label = mx.sym.MakeLoss(data=tmp[2], grad_scale=0, name="cls_label")
det = mx.sym.contrib.MultiBoxDetection(
    cls_prob,
    loc_preds,
    anchor_boxes,
    name="detection",
    nms_threshold=0.45,
    force_suppress=False,
    variances=(0.1, 0.1, 0.2, 0.2),
    nms_topk=400,
)
symbol = mx.sym.Group(
    [cls_prob, loc_loss, cls_label, mx.sym.MakeLoss(data=det, grad_scale=0, name="det_out")]
)

shapes, _, state_shapes = symbol.infer_shape(data=(1, 3, SIDE, SIDE), label=(1, 1, 5))
chance = np.random.RandomState(0)
parameters = {}
for name, shape in zip(symbol.list_arguments(), shapes, strict=True):
    if name.endswith("gamma"):
        parameters[f"arg:{name}"] = mx.nd.ones(shape)
    elif name not in ("data", "label"):
        parameters[f"arg:{name}"] = mx.nd.array(chance.normal(scale=0.1, size=shape))
for name, shape in zip(symbol.list_auxiliary_states(), state_shapes, strict=True):
    parameters[f"aux:{name}"] = mx.nd.ones(shape) * (3000 if name == "bn_data_moving_var" else 1)
target.mkdir(parents=True, exist_ok=True)
mx.nd.save(str(target / "model_algo_1-0029.params"), parameters)  # some tools number the last epoch
graph = json.loads(symbol.tojson())
graph["attrs"]["mxnet_version"] = ["int", 10300]
(target / "model_algo_1-symbol.json").write_text(json.dumps(graph))
hyperparameters = {"base_network": "resnet-50", "num_classes": str(NUM_CLASSES), "image_shape": str(SIDE)}
(target / "hyperparams.json").write_text(
    json.dumps(hyperparameters | {"nms_threshold": "0.45", "epochs": "30"})
)
