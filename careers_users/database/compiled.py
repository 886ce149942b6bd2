"""The compiled form of a statement: its text, and how values and rows are converted."""

from collections.abc import Mapping
from itertools import repeat
from typing import Any

from sqlalchemy import Dialect, Select, UpdateBase
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Statement = Select[*tuple[Any, ...]] | UpdateBase


class Compiled:
    """A statement for one kind of database, ready to be run by its driver."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        if dialect.name == "postgresql":
            # The form that the server reads: `$1` where the driver's cursor has
            # `%(name)s`.
            same: Any = type(dialect)
            dialect = same(paramstyle="numeric_dollar")
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.sql = str(compiled)
        self.encoded_sql = self.sql.encode()
        # The text of `IN` a list of any length depends on the values.
        self.is_fixed = not (
            compiled.post_compile_params or compiled.literal_execute_params
        )
        self._order = compiled.positiontup or ()
        binds = compiled.binds
        # Without a type the driver would store a time, say, in a form of its own.
        untyped = [name for name, bind in binds.items() if bind.type._isnull]
        assert not untyped, f"parameters without a type: {untyped}"
        self._required = [name for name, bind in binds.items() if bind.required]
        self._constants = {
            name: bind.effective_value
            for name, bind in binds.items()
            if not bind.required
        }
        encoders = {
            name: _of(bind.type, dialect).bind_processor(dialect)
            for name, bind in binds.items()
        }
        self._encoders = {name: encode for name, encode in encoders.items() if encode}
        types = {str(c.key): _of(c.type, dialect) for c in statement.exported_columns}
        decoders = {key: t.result_processor(dialect, None) for key, t in types.items()}
        self._keys = list(types)
        self._decoders = {key: decode for key, decode in decoders.items() if decode}

    def bind(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters as the driver takes them; KeyError if one misses."""
        values = {**self._constants, **parameters}
        for name in self._required:
            values[name]
        for name, encode in self._encoders.items():
            values[name] = encode(values[name])
        return tuple([values[name] for name in self._order])

    def rows(self, found: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Return the driver's rows as mappings."""
        keys = self._keys
        rows: list[dict[str, Any]] = list(map(dict, map(zip, repeat(keys), found)))
        for key, decode in self._decoders.items():
            for row in rows:
                row[key] = decode(row[key])
        return rows


def _of(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return a type as this kind of database has it."""
    return type_.dialect_impl(dialect)
