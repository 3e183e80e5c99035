"""The pytest option ``--mien-plugin DISTRIBUTION``: run the conformance suites of all that a distribution registers.

Without paths on the command line nothing else is collected.  The option may be repeated.  pytest loads this module in
every project where mien is installed: nothing of mien is imported before the option is given.
"""

from __future__ import annotations

import types
from typing import Any

import pytest

_OPTION = "mien_plugin"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("mien").addoption(
        "--mien-plugin",
        action="append",
        default=[],
        dest=_OPTION,
        metavar="DISTRIBUTION",
        help="run mien's conformance suites of every component that an installed distribution registers",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Leave out the project's own tests, unless they were asked for."""
    if not config.getoption(_OPTION):
        return
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = []
    marks = {line.partition(":")[0].partition("(")[0] for line in config.getini("markers")}
    if "slow" not in marks:
        config.addinivalue_line("markers", "slow: takes more than ten seconds")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks of the distributions that were named."""
    for distribution in config.getoption(_OPTION):
        module = types.ModuleType(f"mien_plugin_{distribution}")
        vars(module).update(suites_of(distribution))
        collector = _Suites.from_parent(session, path=config.rootpath / distribution, nodeid=distribution)
        collector.obj = module
        items += session.genitems(collector)


class _Suites(pytest.Module):
    """A module of suites that is in no file."""

    def _getobj(self) -> Any:
        return self._obj


def suites_of(distribution: str) -> dict[str, type]:
    """Return a suite for each component that a distribution registers, by its name.

    Raises
    ------
    pytest.UsageError
        When the distribution registers nothing, or what it registers cannot be loaded.
    """
    from mien.errors import MienError
    from mien.registry import load_registry

    registry = load_registry()
    wanted = _normal(distribution)
    entries = [entry for entry in registry.entries() if _normal(entry.distribution.partition("==")[0]) == wanted]
    problems = [
        problem.message
        for problem in registry.problems
        if not entries or _normal(problem.distribution.partition("==")[0]) == wanted
    ]
    if not entries or problems:
        raise pytest.UsageError(_nothing(distribution, problems, bool(entries)))
    try:
        return {f"Test_{entry.kind}_{entry.id}": _suite(entry) for entry in entries}
    except (MienError, ImportError, AttributeError) as error:
        raise pytest.UsageError(f"{distribution}: {error}") from error


def _suite(entry: Any) -> type:
    from mien.registry import load_registry
    from mien.registry.registry import import_target
    from mien.testing.suites import SUITES

    name = f"Test_{entry.kind}_{entry.id}"
    if entry.missing():
        skipped = type(name, (SUITES[entry.kind],), {"component": None})
        return pytest.mark.skip(reason=f"not installed: {', '.join(entry.missing())}")(skipped)
    component = load_registry().load(entry.kind, entry.id)
    own = "" if entry.kind == "landmarks" else component.testing_suite
    suite = import_target(own) if own else SUITES[entry.kind]
    return type(name, (suite,), {"component": component, "__module__": suite.__module__})


def _nothing(distribution: str, problems: list[str], some: bool) -> str:
    from mien.errors import nearest
    from mien.registry import load_registry

    known = {entry.distribution.partition("==")[0] for entry in load_registry().entries()}
    what = "" if some else f"No installed distribution '{distribution}' registers components with mien. "
    return what + " ".join(problems) + ("" if some or problems else nearest(distribution, known))


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
