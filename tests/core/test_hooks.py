"""Every door beside components: lifecycle hooks, sub-commands, sections of the report. One that fails is told."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pandas as pd
import pluggy
import pytest
from typer.testing import CliRunner

from mien import BarChart, BarSeries, Remark, ReportSection, SectionTable, hookimpl
from mien.cli import plugin_doors
from mien.cli.app import app
from mien.errors import PluginError
from mien.landmarks import LandmarkScheme
from mien.registry import CommandEntry, Registry, hooks, load_registry
from mien.report.html import render
from mien.report.plugin_sections import plugin_sections
from mien.report.sections import content
from mien.steps.context import RunContext
from mien.testing.distributions import write_distribution
from mien.testing.material import report_material


@pytest.fixture
def registry():
    """Return an empty registry whose plugins are given by ``add(**hooks)``."""
    manager = pluggy.PluginManager("mien")
    manager.add_hookspecs(hooks)
    made = Registry(manager)

    def add(distribution="mien-odd==1.0", **functions):
        plugin = ModuleType("odd")
        for name, function in functions.items():
            setattr(plugin, name, hookimpl(function))
        manager.register(plugin, name=f"{distribution}:odd")

    made.add_plugin = add
    return made


class TestLifecycle:
    def test_a_plugin_is_told_what_it_asks_for(self, registry):
        heard = []
        registry.add_plugin(mien_run_started=lambda out: heard.append(out))
        registry.add_plugin("mien-two==2.0", mien_run_started=lambda config, out: heard.append(config))
        assert registry.tell("mien_run_started", config={"seed": 1}, out="folder") == []
        assert sorted(map(str, heard)) == ["folder", "{'seed': 1}"]

    @pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), GeneratorExit("odd")])
    def test_one_that_fails_is_named_and_the_others_are_told(self, registry, error):
        heard = []

        def failing(method):
            raise error

        registry.add_plugin(mien_explained=lambda method: heard.append(method))
        registry.add_plugin("mien-bad==1.5", mien_explained=failing)
        (fault,) = registry.tell("mien_explained", method="ig", recording="r")
        assert f"The hook 'mien_explained' of mien-bad==1.5 failed: {type(error).__name__}" in fault
        assert heard == ["ig"]

    def test_an_interrupt_is_the_users(self, registry):
        def interrupted(method):
            raise KeyboardInterrupt

        registry.add_plugin(mien_explained=interrupted)
        with pytest.raises(KeyboardInterrupt):
            registry.tell("mien_explained", method="ig", recording="r")

    def test_what_a_plugin_writes_into_the_configuration_stays_its_own(self, registry):
        config = {"training": {"epochs": 3}}
        registry.add_plugin(mien_run_started=lambda config: config["training"].update(epochs=99))
        registry.tell("mien_run_started", config=config, out=None)
        assert config == {"training": {"epochs": 3}}

    def test_a_failure_becomes_one_note_of_the_run(self, registry):
        def failing():
            raise ValueError("odd")

        registry.add_plugin(mien_recording_done=failing)
        context = RunContext(None, registry)
        for _ in range(3):
            context.tell("mien_recording_done", recording=None)
        (note,) = context.notes
        assert "mien-odd==1.0" in note

    def test_an_unknown_hook_names_the_nearest(self, tmp_path, monkeypatch):
        source = """
            from mien import hookimpl
            @hookimpl
            def mien_run_ended(out):
                pass
        """
        write_distribution(tmp_path, "mien-odd", {"odd_hook": source}, entry_points={"odd": "odd_hook"})
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("MIEN_PLUGINS", "odd")
        (problem,) = load_registry.__wrapped__().problems
        assert "mien-odd==1.0 implements the hook 'mien_run_ended'" in problem.message
        assert "Did you mean 'mien_run_" in problem.message

    def test_an_argument_that_a_hook_does_not_have_is_told(self, tmp_path, monkeypatch):
        source = """
            from mien import hookimpl
            @hookimpl
            def mien_explained(method, weather):
                pass
        """
        write_distribution(tmp_path, "mien-odd", {"odd_argument": source}, entry_points={"odd": "odd_argument"})
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("MIEN_PLUGINS", "odd")
        (problem,) = load_registry.__wrapped__().problems
        assert "weather" in problem.message


COMMANDS = """
    import typer
    app = typer.Typer(help="Several.")
    @app.command()
    def one(): typer.echo("one was called")
    @app.command()
    def two(): raise KeyError("odd")
    def single(times: int = 1):
        "Only one."
        typer.echo("single " * times)
    number = 3
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Return the registry of ``mien`` with commands of a plugin beside its own."""
    (tmp_path / "odd_commands.py").write_text("\n".join(line[4:] for line in COMMANDS.splitlines()))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_commands", raising=False)
    registry = load_registry.__wrapped__()
    for name, target in (
        ("several", "odd_commands:app"),
        ("single", "odd_commands:single"),
        ("number", "odd_commands:number"),
        ("absent", "odd_commands:no_such"),
        ("run", "odd_commands:app"),
    ):
        registry.add_command(CommandEntry(name, target, "odd (odd)", "mien-odd==1.0", f"What {name} does."))
    for module in ("mien.cli.app", "mien.cli.plugin_doors"):
        monkeypatch.setattr(sys.modules[module], "load_registry", lambda: registry)
    return registry


def mien(*arguments):
    return CliRunner().invoke(app, list(arguments))


class TestCommands:
    def test_they_are_listed_without_being_imported(self, commands):
        text = mien("--help").output
        assert "several" in text
        assert "What several does." in text
        assert "odd_commands" not in sys.modules

    def test_miens_own_commands_do_not_look_for_plugins(self, commands, monkeypatch):
        def never():
            raise AssertionError

        monkeypatch.setattr(plugin_doors, "load_registry", never)
        assert mien("cache", "--help").exit_code == 0

    def test_a_group_and_a_function_are_called(self, commands):
        assert mien("several", "one").output == "one was called\n"
        assert mien("single", "--times", "2").output.split() == ["single", "single"]
        assert "Several." in mien("several", "--help").output

    def test_a_name_of_miens_own_stays_miens_and_is_told(self, commands):
        assert "Configuration, YAML" in mien("run", "--help").output
        (problem,) = plugin_doors.command_problems(commands, plugin_doors.own_commands())
        assert problem.message == (
            "mien-odd==1.0 brings a command 'run', but mien has one of this name; mien's own is used."
        )

    def test_a_name_of_miens_own_is_told_by_the_listing(self, commands, monkeypatch):
        monkeypatch.setattr("mien.cli.plugin_commands.load_registry", lambda: commands)
        assert "brings a command 'run', but mien has one of this name" in mien("plugins", "list").stderr

    @pytest.mark.parametrize(
        ("name", "words"),
        [("number", "neither a typer.Typer nor a function"), ("absent", "cannot be imported: AttributeError")],
    )
    def test_what_is_no_command_is_told_with_its_owner(self, commands, name, words):
        result = mien(name)
        assert result.exit_code == 2
        assert f"command '{name}' of mien-odd==1.0" in result.stderr
        assert words in result.stderr

    def test_one_that_raises_is_told_without_a_traceback(self, commands):
        result = mien("several", "two")
        assert result.exit_code == 2
        assert "mien-odd==1.0 (odd_commands.py, line 7, in two)" in result.stderr
        assert "It raised KeyError: 'odd'." in result.stderr
        assert "Traceback" not in result.stderr

    def test_a_wrong_option_of_one_is_the_users_mistake(self, commands):
        result = mien("single", "--tims", "2")
        assert result.exit_code == 2
        assert "No such option" in result.stderr

    def test_an_unknown_command_is_still_told(self, commands):
        assert "No such command" in mien("sevral").stderr

    @pytest.mark.parametrize(
        ("name", "target"), [("Bad Name", "a:b"), ("good", "no_colon"), ("-x", "a:b"), ("good", "a:")]
    )
    def test_a_wrong_name_or_target_is_a_problem(self, commands, name, target):
        before = len(commands.problems)
        commands.add_command(CommandEntry(name, target, "odd (odd)", "mien-odd==1.0"))
        (problem,) = commands.problems[before:]
        assert "mien-odd==1.0" in problem.message
        assert "package.module:name" in problem.message

    def test_of_two_plugins_with_one_name_both_are_named(self, commands):
        commands.add_command(CommandEntry("several", "other:app", "other (other)", "mien-other==1.0"))
        assert "both mien-odd==1.0 and mien-other==1.0" in commands.problems[-1].message
        assert commands.commands["several"].distribution == "mien-odd==1.0"

    def test_help_stays_light(self):
        code = "import sys\nfrom typer.testing import CliRunner\nfrom mien.cli.app import app\n"
        code += "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        code += "print([name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


def bars(name="errors", **changes):
    fields = {"groups": ["a", "b"], "series": [BarSeries(name="s", values=[1.0, 2.0])]} | changes
    return BarChart(name=name, title="Bars", **fields)


def sections(registry, *, tables=None, taken=()):
    return plugin_sections(registry, {}, {"participants": 2}, tables or {}, taken)


class Mute:
    """Cannot be shown."""

    def __str__(self):
        raise RuntimeError("no text")


class Trusted(str):
    """A text that says of itself that it is HTML."""

    def __html__(self):
        return f"<script>{self}</script>"


class TestSections:
    def test_a_text_that_calls_itself_html_is_escaped_too(self, registry):
        told = Trusted("odd")
        table = SectionTable(told, (told,), [(told,)])
        shown = ReportSection(title=told, paragraphs=[told], remarks=[Remark(told, told)], tables=[table])
        registry.add_plugin(mien_report_section=lambda: shown)
        (section,), _ = sections(registry)
        ((caption, cells),) = section.tables
        texts = [section.title, *section.paragraphs, section.remarks[0].verdict, section.remarks[0].text, caption]
        assert {type(text) for text in [*texts, *cells.headers, *cells.rows[0]]} == {str}

    def test_a_section_is_shown_with_its_owner(self, registry):
        shown = ReportSection(
            title="What <b>we</b> saw",
            paragraphs=["A <script>alert(1)</script> sentence."],
            remarks=[Remark("<i>care</i>", "Few & far.")],
            tables=[SectionTable("A <u>caption</u>", ("name", "value"), [("<a href='x'>", 0.123456), ("b", None)])],
            charts=[bars()],
        )
        registry.add_plugin(mien_report_section=lambda: shown)
        found, faults = sections(registry)
        assert faults == []
        material = report_material(4)
        material = SimpleNamespace(**{name: getattr(material, name) for name in vars(material)}, table=material.table)
        material.sections = found
        page = render(material, content(material))
        assert "What &lt;b&gt;we&lt;/b&gt; saw" in page
        assert "A &lt;script&gt;alert(1)&lt;/script&gt; sentence." in page
        assert "&lt;i&gt;care&lt;/i&gt;" in page
        assert "A &lt;u&gt;caption&lt;/u&gt;" in page
        assert "&lt;a href=&#39;x&#39;&gt;" in page
        assert "<script>alert(1)" not in page
        assert "This section comes from the plugin mien-odd==1.0." in page
        assert 'id="chart-mien_odd_errors"' in page
        assert "0.123" in page

    def test_a_plugin_without_a_section_for_this_run_is_silent(self, registry):
        registry.add_plugin(mien_report_section=lambda: None)
        assert sections(registry) == ([], [])

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ("<h1>hello</h1>", "returned str; it must return a ReportSection"),
            (ReportSection(title=" "), "the title not empty"),
            (ReportSection(title="t", paragraphs=[3]), "must be texts"),
            (ReportSection(title="t", remarks=["care"]), "must be mien Remarks"),
            (ReportSection(title="t", tables=[[1, 2]]), "must be SectionTables"),
            (ReportSection(title="t", tables=[SectionTable("c", ("a", "b"), [(1,)])]), "table 'c' has not one value"),
            (
                ReportSection(title="t", tables=[SectionTable("c", ("a",), [1])]),
                "each row of the table 'c' must be lists",
            ),
            (ReportSection(title="t", tables=[SectionTable("c", ("a",), None)]), "of the table 'c' must be lists"),
            (ReportSection(title="t", paragraphs="text"), "paragraphs must be a list, not str"),
            (ReportSection(title="t", paragraphs=None), "paragraphs must be a list, not NoneType"),
            (ReportSection(title="t", remarks=None), "remarks must be a list"),
            (ReportSection(title="t", tables=None), "tables must be a list"),
            (ReportSection(title="t", charts=None), "charts must be a list"),
            (ReportSection(title="t", remarks=[Remark("care", 5)]), "verdict and text must be texts"),
            (ReportSection(title="t", remarks=[Remark("care", "few", "lurid")]), "level one of good, care, bad"),
            (ReportSection(title="t", tables=[SectionTable("c", ("a",), [(Mute(),)])]), "RuntimeError: no text"),
        ],
    )
    def test_what_is_no_section_is_left_out_and_told(self, registry, answer, words):
        registry.add_plugin("mien-bad==1.0", mien_report_section=lambda: answer)
        registry.add_plugin(mien_report_section=lambda: ReportSection(title="good"))
        found, (fault,) = sections(registry)
        assert [one.title for one in found] == ["good"]
        assert "mien-bad==1.0" in fault
        assert words in fault

    def test_one_that_raises_is_told(self, registry):
        registry.add_plugin(mien_report_section=lambda tables: tables["no such table"])
        found, (fault,) = sections(registry)
        assert found == []
        assert "The hook 'mien_report_section' of mien-odd==1.0 failed: KeyError" in fault

    def test_a_chart_that_cannot_be_drawn_costs_itself(self, registry):
        broken = bars("broken", series=[BarSeries(name="s", values=["no number", "at all"])])
        registry.add_plugin(mien_report_section=lambda: ReportSection(title="t", charts=[broken, bars(), "chart"]))
        (section,), faults = sections(registry)
        assert [chart.name for chart in section.charts] == ["mien_odd_errors"]
        assert any("The chart 'broken' of mien-odd==1.0 cannot be drawn" in fault for fault in faults)
        assert any("mien-odd==1.0 gave str as a chart" in fault for fault in faults)

    def test_a_chart_has_a_name_of_its_own_that_is_a_file_in_the_folder(self, registry):
        registry.add_plugin(mien_report_section=lambda: ReportSection(title="t", charts=[bars("../../x"), bars("x")]))
        (section,), _ = sections(registry, taken={"mien_odd_x"})
        assert [chart.name for chart in section.charts] == ["mien_odd_x_2", "mien_odd_x_3"]

    def test_what_a_plugin_does_to_a_table_stays_its_own(self, registry):
        table = pd.DataFrame({"participant": ["a"]})
        registry.add_plugin(
            mien_report_section=lambda tables: tables["people"].drop(columns="participant", inplace=True)
        )
        sections(registry, tables={"people": table})
        assert list(table) == ["participant"]


class TestSchemes:
    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("def scheme():\n    return 5", "returned int; it must return a LandmarkScheme"),
            ("def scheme():\n    raise OSError('odd')", "raised OSError: odd"),
            ("scheme = 5", "is not a function"),
        ],
    )
    def test_what_gives_no_scheme_is_told(self, tmp_path, monkeypatch, source, words):
        (tmp_path / "odd_scheme.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "odd_scheme", raising=False)
        registry = load_registry.__wrapped__()
        hooked = SimpleNamespace(kind="landmarks", id="odd", target="odd_scheme:scheme", owner="odd")
        hooked.distribution, hooked.missing = "mien-odd==1.0", list
        registry.add(hooked)
        with pytest.raises(PluginError, match=words) as caught:
            registry.scheme("odd")
        assert caught.value.where == "landmarks 'odd' of mien-odd==1.0"

    def test_a_scheme_goes_by_the_id_it_is_registered_under(self, monkeypatch):
        registry = load_registry.__wrapped__()
        entry = registry.entry("landmarks", "ibug_68")
        other = SimpleNamespace(kind="landmarks", id="other", target=entry.target, owner="o", distribution="mien-o==1")
        registry.add(other)
        with pytest.raises(PluginError, match="calls itself 'ibug_68'"):
            registry.scheme("other")
        assert isinstance(registry.scheme("ibug_68"), LandmarkScheme)
