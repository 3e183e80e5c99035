"""What every component promises.

- Its dump makes an equal component; unknown fields are refused; it cannot be changed.
- Its JSON Schema is valid and describes the dump.
- It can be pickled, so that workers get it.
- It has a docstring whose first line says what it is.
"""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from mien.interfaces import Component


class ComponentSuite:
    """Checks of all kinds; subclass the suite of the component's kind instead."""

    component: ClassVar[Any]
    """The component's class."""

    fields: ClassVar[dict[str, Any]] = {}
    """Fields to make it with; those that it requires, and small sizes that make tests quick."""

    @pytest.fixture
    def made(self) -> Any:
        """Return the component."""
        return self.component(**self.fields)

    def test_its_dump_makes_it_again(self, made: Component) -> None:
        """The configuration round trip."""
        assert type(made).model_validate(made.model_dump(mode="json")) == made

    def test_unknown_fields_are_refused(self, made: Component) -> None:
        """A misspelt field is an error."""
        with pytest.raises(ValidationError, match="no_such_field"):
            type(made).model_validate({**made.model_dump(mode="json"), "no_such_field": 1})

    def test_it_cannot_be_changed(self, made: Component) -> None:
        """A component is frozen, whether it has fields or not."""
        name = next(iter(type(made).model_fields), "version")
        with pytest.raises((ValidationError, AttributeError)):
            setattr(made, name, None)

    def test_its_schema_describes_its_dump(self, made: Component) -> None:
        """Editors complete from the schema, so it has to be right."""
        jsonschema = pytest.importorskip("jsonschema")
        schema = type(made).model_json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(made.model_dump(mode="json"), schema)

    def test_it_travels_to_workers(self, made: Component) -> None:
        """Pickling gives an equal component with the same name."""
        named = made.named("some_id", "some-distribution==1")
        arrived = pickle.loads(pickle.dumps(named))
        assert arrived == named
        assert arrived.provenance() == named.provenance()

    def test_it_is_documented(self, made: Component) -> None:
        """The first line of the docstring is its line in catalogues."""
        own = type(made).__doc__ or ""
        assert own.strip()
        assert own != Component.__doc__
