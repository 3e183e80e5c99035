"""What is to be known of a method's heat maps stands beside them, and in the network of a clip's own fold."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from torch import nn

from mien.interfaces import Analysis, Remark
from mien.registry import load_registry
from mien.report.frame_charts import DrawnFace, FrameGrid
from mien.report.html import render
from mien.report.privacy import Pseudonyms
from mien.report.sections import content
from mien.run.view import RunResults
from mien.steps.network import NetworkId
from mien.steps.publish import _renamed
from mien.testing.material import report_material

REMARK = Remark("Do not believe", "Deletion -0.10 <b>for</b> person000.", "bad")
SHOWN = "Do not believe.</b> Deletion -0.10 &lt;b&gt;for&lt;/b&gt; person000."


@pytest.fixture(scope="module")
def html() -> str:
    material = report_material(scheme=load_registry().scheme("mediapipe_478"))
    grid = FrameGrid(
        name="frames_of_lrp",
        title="Frames",
        method="lrp",
        signed=True,
        columns=["all"],
        rows=[],
        wide=1,
        face=DrawnFace(points=[(0, 0), (1, 1)], edges=[(0, 1)], patches={}),
    )
    analyses = {
        **material.analyses,
        "faithfulness": Analysis(method_remarks={"ig_blur": REMARK}),
        "other": Analysis(charts=[grid], method_remarks={"lrp": Remark("Believe", "All is well.", "good")}),
    }
    material = replace(material, analyses=analyses)
    return render(material, content(material))


def test_it_stands_beside_every_heat_map_of_its_method(html: str) -> None:
    films = re.findall(r'<figure class="film">.*?</figure>', html, re.DOTALL)
    examples = re.findall(r'<article class="example".*?</article>', html, re.DOTALL)
    assert films
    assert all(SHOWN in film for film in films)
    assert all("All is well" not in film for film in films)
    for example in examples:
        before, _, gallery = example.partition("ig_blur: frames of highest relevance")
        assert gallery
        assert f"<b>ig_blur: {SHOWN}" in before[-400:]


def test_it_stands_at_the_top_of_the_explanations_and_at_figures_of_frames(html: str) -> None:
    section = html[html.index('<section id="explanations">') :]
    assert f'<p class="remark bad"><b>ig_blur: {SHOWN}' in section[:2500]
    assert '<p class="remark good"><b>lrp: Believe.</b> All is well.' in section[:2500]
    figure = section[section.index('id="chart-frames_of_lrp"') :]
    assert '<p class="remark good"><b>Believe.</b> All is well.' in figure[:600]


def test_the_findings_say_what_is_remarked_on_which_method(html: str) -> None:
    findings = html[html.index('<section id="findings">') : html.index('<section id="asked">')]
    assert "Remarks on the heat maps – do not believe: ig_blur; believe: lrp." in findings


def test_its_text_is_escaped_and_its_ids_are_replaced(html: str) -> None:
    assert "<b>for</b>" not in html
    names = Pseudonyms.of(pd.DataFrame({"recording": ["person000_r0"], "participant": ["person000"]}), 0)
    renamed = _renamed(Analysis(method_remarks={"ig_blur": REMARK}), names).method_remarks["ig_blur"]
    assert renamed == replace(REMARK, text="Deletion -0.10 <b>for</b> P001.")


def test_a_recording_has_the_network_of_its_own_fold() -> None:
    networks = [SimpleNamespace(id=NetworkId(fold=fold)) for fold in range(3)]
    built: list[int] = []

    def model(network: SimpleNamespace) -> SimpleNamespace:
        built.append(network.id.fold)
        return SimpleNamespace(fold=network.id.fold, module=nn.Identity())

    view = RunResults(
        {}, None, SimpleNamespace(networks=networks, model=model), {}, 0, {"a": 0, "b": 1, "c": 2, "d": 2}
    )
    assert [view.model_of(recording).fold for recording in "abccddaz"] == [0, 1, 2, 2, 2, 2, 0, 0]
    assert built == [0, 1, 2]
