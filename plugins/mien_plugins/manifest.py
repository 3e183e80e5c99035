"""What the built-in plugins register, through the same door as anyone's."""

from __future__ import annotations

from mien.registry import Registrar, hookimpl

MIEN_API = "1.0"

_PACKAGE = "mien_plugins"


@hookimpl
def mien_register(registry: Registrar) -> None:
    """Register the built-in components; nothing is imported before its first use."""
    for register in (_datasets, _faces, _networks, _attribution, _action_units, _analyzers):
        register(registry)


def _datasets(registry: Registrar) -> None:
    registry.dataset(
        "animated_face",
        f"{_PACKAGE}.datasets.animated_face:AnimatedFace",
        requires=["skimage"],
        extra="demo",
        help="one real face animated by known Action Units (planted truth)",
    )
    registry.dataset("manifest", f"{_PACKAGE}.datasets.manifest:Manifest", help="a CSV file of videos and scores")
    registry.dataset("avec2014", f"{_PACKAGE}.datasets.avec:Avec2014", help="AVEC 2014's folder: BDI-II, two tasks")
    registry.dataset("avec2013", f"{_PACKAGE}.datasets.avec:Avec2013", help="AVEC 2013's folder: BDI-II, one video")


def _faces(registry: Registrar) -> None:
    registry.landmarks(
        "mediapipe_478", f"{_PACKAGE}.landmarks.mediapipe_478:scheme", help="MediaPipe face mesh with irises"
    )
    registry.landmarks("ibug_68", f"{_PACKAGE}.landmarks.ibug_68:scheme", help="iBUG 300-W, 68 points")

    registry.detector(
        "mediapipe",
        f"{_PACKAGE}.detectors.mediapipe:MediaPipe",
        requires=["mediapipe"],
        extra="mediapipe",
        help="MediaPipe face mesh, 478 points",
    )
    registry.detector(
        "face_alignment",
        f"{_PACKAGE}.detectors.face_alignment:FaceAlignment",
        requires=["face_alignment"],
        extra="face-alignment",
        help="S3FD (or another face detector) and FAN, 68 points",
    )

    registry.cropper("face", f"{_PACKAGE}.croppers.face:Face", help="the whole face, aligned or the paper's box")
    registry.cropper(
        "region_mosaic",
        f"{_PACKAGE}.croppers.region_mosaic:RegionMosaic",
        help="eyes, eyebrows, nose and mouth, cut out and tiled",
    )


def _networks(registry: Registrar) -> None:
    registry.backbone(
        "compact_r3d",
        f"{_PACKAGE}.backbones.compact_r3d:CompactR3D",
        help="small 3D residual network that trains on a laptop CPU",
    )
    registry.backbone(
        "compact_frame_cnn",
        f"{_PACKAGE}.backbones.compact_r3d:CompactFrameCnn",
        help="the twin of compact_r3d that sees single frames",
    )
    registry.backbone(
        "frame_cnn",
        f"{_PACKAGE}.backbones.frame_cnn:FrameCnn",
        help="ResNet or VGG on single frames, ImageNet weights on demand",
    )
    for name, network in (
        ("r3d_18", "torchvision_video:R3D18"),
        ("mc3_18", "torchvision_video:MC318"),
        ("r2plus1d_18", "torchvision_video:R2Plus1D18"),
        ("s3d", "torchvision_video:S3D"),
        ("mvit_v2_s", "torchvision_transformers:MViTV2S"),
        ("swin3d_t", "torchvision_transformers:Swin3DT"),
    ):
        registry.backbone(
            name,
            f"{_PACKAGE}.backbones.{network}",
            help=f"torchvision's {name}, Kinetics-400 weights on demand",
        )
    registry.backbone("module", f"{_PACKAGE}.backbones.module:Module", help="any nn.Module of your own")

    registry.objective("regression", f"{_PACKAGE}.objectives.regression:Regression", help="one continuous score")


def _attribution(registry: Registrar) -> None:
    package = f"{_PACKAGE}.attribution"
    registry.attribution(
        "integrated_gradients",
        f"{package}.integrated_gradients:IntegratedGradients",
        help="Sundararajan et al. 2017; steps added until complete",
    )
    registry.attribution("saliency", f"{package}.gradient:Saliency", help="Simonyan et al. 2014")
    registry.attribution("input_x_gradient", f"{package}.gradient:InputXGradient", help="Shrikumar et al. 2016")
    registry.attribution("smoothgrad", f"{package}.smoothgrad:SmoothGrad", help="Smilkov et al. 2017")
    registry.attribution(
        "deeplift",
        f"{package}.deeplift:DeepLift",
        requires=["captum"],
        extra="captum",
        help="Shrikumar et al. 2017",
    )
    registry.attribution(
        "gradient_shap", f"{package}.gradient_shap:GradientShap", help="Lundberg & Lee 2017; expected gradients"
    )
    registry.attribution(
        "guided_backprop", f"{package}.guided_backprop:GuidedBackprop", help="Springenberg et al. 2015"
    )
    registry.attribution("grad_cam", f"{package}.grad_cam:GradCam", help="Selvaraju et al. 2017")
    registry.attribution(
        "occlusion", f"{package}.occlusion:Occlusion", help="Zeiler and Fergus 2014; blocks of space and time"
    )
    registry.attribution(
        "ablation", f"{package}.ablation:Ablation", help="one region in a stretch of time taken away, each in turn"
    )
    registry.attribution(
        "kernel_shap",
        f"{package}.kernel_shap:KernelShap",
        help="Lundberg and Lee 2017; Shapley values of regions in stretches of time",
    )
    registry.attribution(
        "lrp",
        f"{package}.lrp:Lrp",
        requires=["zennit"],
        extra="zennit",
        help="Bach et al. 2015; composites of zennit",
    )


def _action_units(registry: Registrar) -> None:
    registry.action_units(
        "openface_csv",
        f"{_PACKAGE}.action_units.openface_csv:OpenFaceCsv",
        help="Action Units from OpenFace's CSV files",
    )
    registry.action_units(
        "blendshapes",
        f"{_PACKAGE}.action_units.blendshapes:Blendshapes",
        help="Action Units from MediaPipe's 52 blendshapes",
    )
    registry.action_units(
        "mesh_geometry",
        f"{_PACKAGE}.action_units.mesh_geometry:MeshGeometry",
        help="Action Units from the geometry of the landmarks",
    )


def _analyzers(registry: Registrar) -> None:
    registry.analyzer(
        "region_relevance",
        f"{_PACKAGE}.analyzers.region_relevance:RegionRelevance",
        help="share and density of relevance by region, beside untrained networks",
    )
    registry.analyzer(
        "temporal_profile",
        f"{_PACKAGE}.analyzers.temporal_profile:TemporalProfile",
        help="relevance over time; top and bottom frames",
    )
    registry.analyzer(
        "au_correlation",
        f"{_PACKAGE}.analyzers.au_correlation:AuCorrelation",
        help="relevance over time against Action Units",
    )
    registry.analyzer(
        "agreement",
        f"{_PACKAGE}.analyzers.agreement:Agreement",
        help="whether methods agree on regions and on time",
    )
    registry.analyzer(
        "severity_bands",
        f"{_PACKAGE}.analyzers.severity_bands:SeverityBands",
        help="relevance by severity band and decision type, with the paper's figures",
    )
    registry.analyzer(
        "statistics",
        f"{_PACKAGE}.analyzers.statistics:Statistics",
        help="effects of severity on relevance, beside controls; hypotheses",
    )
    registry.analyzer(
        "artifact_audit",
        f"{_PACKAGE}.analyzers.artifact_audit:ArtifactAudit",
        help="relevance outside the face and clusters of maps, with alarms",
    )
    registry.analyzer(
        "subgroups",
        f"{_PACKAGE}.analyzers.subgroups:Subgroups",
        help="errors and relevance by covariate, with intervals",
    )
    registry.analyzer(
        "faithfulness",
        f"{_PACKAGE}.analyzers.faithfulness:Faithfulness",
        help="deletion, insertion, randomisation and stability of each method's maps; whether to believe them",
    )
