"""What every component promises, whatever its kind; the suites of the kinds extend it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
from pydantic import ValidationError

from mien.errors import MienError
from mien.interfaces import Component
from mien.testing.checks import attempted, pins
from mien.testing.importing import heavy_imports
from mien.testing.surroundings import importable

_WRONG: tuple[Any, ...] = (None, "no such value", "", -1, 10**6, 0.5, float("nan"), True, [], ["a"], {}, {"no": "such"})
_MISSING = "there_is_no_such_file"


class ComponentSuite:
    """Checks of all kinds; subclass the suite of the component's kind instead.

    Attributes
    ----------
    component : type
        The component's class.
    fields : dict
        Fields to make it with, beside those of its own `Component.testing_fields`: what it requires, and small sizes
        that make the checks quick.
    no_whole_run : str
        Why it is not put into a whole small run; empty: it is.
    run_frames : int
        Frames of each video of the small run.
    """

    guarantees: ClassVar[Mapping[str, str]] = {
        "round trip": "The dump of its fields makes an equal component: a run can be repeated from its record.",
        "unknown keys": "A field that it does not have is refused by name.",
        "wrong values": "A value that a field cannot have is refused with the field's name, and never crashes.",
        "frozen": "It cannot be changed once it is made.",
        "schema": "Its JSON Schema is valid and describes its dump; editors complete from it.",
        "picklable": "It travels to worker processes: pickling gives an equal component of the same name.",
        "documented": "Its class has a docstring of its own, whose first line is its line in catalogues.",
        "light": "Importing its module imports no heavy library (torch, pandas, cv2, ...): listings stay fast.",
        "missing files": "A file that it needs and that is not there is a MienError with its name and a hint.",
        "whole run": "It works in a whole small run, from videos to a report, and run.json tells it as it is.",
    }

    component: ClassVar[Any]
    fields: ClassVar[dict[str, Any]] = {}
    no_whole_run: ClassVar[str] = ""
    run_frames: ClassVar[int] = 8

    @pytest.fixture
    def made(self, tmp_path_factory: pytest.TempPathFactory) -> Any:
        """Return the component."""
        return self.make(tmp_path_factory)

    def make(self, folders: pytest.TempPathFactory) -> Any:
        """Return the component, made with its own fields for testing and the suite's."""
        own = self.component.testing_fields(folders.mktemp("fields"))
        return self.component(**{**own, **self.fields})

    def use(self, made: Any, folder: Path) -> object:
        """Put the component to its work once; a suite of a kind says how."""
        raise NotImplementedError

    def run_parts(self, made: Any) -> Mapping[str, Any]:
        """Return where it stands in the configuration of a small run, and what else that needs."""
        raise NotImplementedError

    @pins("round trip")
    def test_its_dump_makes_it_again(self, made: Component) -> None:
        """The configuration round trip."""
        assert type(made).model_validate(made.model_dump(mode="json")) == made

    @pins("unknown keys")
    def test_unknown_fields_are_refused(self, made: Component) -> None:
        """A misspelt field is an error."""
        with pytest.raises(ValidationError, match="no_such_field"):
            type(made).model_validate({**made.model_dump(mode="json"), "no_such_field": 1})

    @pins("wrong values")
    def test_wrong_values_are_refused(self, made: Component) -> None:
        """Whatever YAML can hold makes a component, or a validation error that names the field."""
        for name in type(made).model_fields:
            for value in _WRONG:
                try:
                    type(made).model_validate({**made.model_dump(mode="json"), name: value})
                except (ValidationError, MienError):
                    continue
                except Exception as error:
                    raise AssertionError(f"{name}: {value!r} raised {type(error).__name__}: {error}") from error

    @pins("frozen")
    def test_it_cannot_be_changed(self, made: Component) -> None:
        """A component is frozen, whether it has fields or not."""
        name = next(iter(type(made).model_fields), "version")
        with pytest.raises((ValidationError, AttributeError)):
            setattr(made, name, None)

    @pins("schema")
    def test_its_schema_describes_its_dump(self, made: Component) -> None:
        """Editors complete from the schema, so it has to be right."""
        jsonschema = pytest.importorskip("jsonschema")
        schema = type(made).model_json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(made.model_dump(mode="json"), schema)

    @pins("picklable")
    def test_it_travels_to_workers(self, made: Component) -> None:
        """Pickling gives an equal component with the same name."""
        named = made.named("some_id", "some-distribution==1")
        arrived = pickle.loads(pickle.dumps(named))
        assert arrived == named
        assert arrived.provenance() == named.provenance()

    @pins("documented")
    def test_it_is_documented(self, made: Component) -> None:
        """The first line of the docstring is its line in catalogues."""
        own = vars(type(made)).get("__doc__") or ""
        assert own.strip(), "it has no docstring"
        assert own.strip().splitlines()[0].strip()

    @pins("light")
    def test_importing_it_is_light(self, made: Component) -> None:
        """A fresh process that imports the module holds no heavy library."""
        module = importable(type(made))
        if not module:
            pytest.skip("it is defined in a test, which no other process can import")
        assert heavy_imports(module) == (), "import these inside the functions that need them"

    @pins("missing files")
    def test_a_missing_file_is_told(self, made: Component, tmp_path: Path) -> None:
        """Each field that is a path is made to name nothing, and the component put to work."""
        for name in path_fields(type(made)):
            absent = made.model_copy(update={name: tmp_path / _MISSING})
            found = attempted(partial(self.use, absent, tmp_path))
            if isinstance(found, MienError):
                assert _MISSING in str(found), f"{name}: the error does not say which file: {found}"
                assert found.hint, f"{name}: the error has no hint: {found}"

    @pins("whole run")
    def test_it_works_in_a_whole_small_run(self, made: Component, tmp_path: Path) -> None:
        """Three people, a few frames each; everything else around it is mien's own."""
        from mien.testing.whole_run import small_run

        if self.no_whole_run:
            pytest.skip(self.no_whole_run)
        named = made.model_copy().named(made.use, made.distribution or "under-test==0")
        run = small_run(tmp_path / "run", self.run_parts(named), frames=self.run_frames)
        assert run.outcome.exit_code == 0, f"the run says: {run.notes}"
        assert (run.out / "report.html").is_file()
        fields = named.model_dump(mode="json")
        told = [
            part for part in run.record["plugins"].values() if part["use"] == named.use and part["fields"] == fields
        ]
        assert told, f"run.json does not tell it: {run.record['plugins']}"
        self.check_run(run, named)

    def check_run(self, run: Any, made: Any) -> None:
        """Look for what the component brought into a small run; a suite of a kind says what."""


def path_fields(component: type[Component]) -> Iterator[str]:
    """Yield the fields of a component that are paths."""
    for name, field in component.model_fields.items():
        if _holds_path(field.annotation):
            yield name


def _holds_path(annotation: Any) -> bool:
    return annotation is Path or any(_holds_path(part) for part in get_args(annotation))
