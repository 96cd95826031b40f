"""Parameters of a page: text or typed values checked against the fields of a dataclass."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from recall.errors import ParameterError

WORDS = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    NoneType: "none",
}
"""How a refusal names a type."""

PLAIN = (bool, int, float, str, list, dict, tuple, NoneType)
"""What papermill can inject."""

JUPYTER = ("In", "Out")
"""Variables of that kind that every notebook has."""

Parameters = TypeVar("Parameters")
"""A page's dataclass."""


def check_parameters(schema: type | None, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters as their fields' types.

    Args:
        schema: a dataclass whose fields all have defaults, or None for a page without parameters. Its own
            `__post_init__` sees the values, so what it refuses is refused here.
        raw: values by name; text is parsed, anything else must have the type already (an int is also a float,
            a list also a tuple).

    Returns:
        Typed values of the names in `raw`.
    """
    kinds = get_type_hints(schema) if schema else {}
    names = parameter_names(schema)
    for name in raw:
        if name not in names:
            raise ParameterError(_unknown(name, names))
    values = {name: _typed(name, kinds[name], value) for name, value in raw.items()}
    if schema:
        schema(**values)
    return values


def from_notebook(schema: type[Parameters], namespace: Mapping[str, Any]) -> Parameters:
    """A page's parameters, taken from its notebook's variables when nothing else has been assigned yet.

    Plain papermill injects whatever it is given, and only logs a name that the notebook does not have. It is refused
    here, as the command line does.

    Args:
        schema: the page's dataclass.
        namespace: the notebook's `globals()`.
    """
    given = {name: value for name, value in namespace.items() if isinstance(value, PLAIN)}
    names = [name for name in given if not name.startswith("_") and name not in JUPYTER]
    return schema(**check_parameters(schema, {name: given[name] for name in names}))


def parameter_names(schema: type | None) -> list[str]:
    """The names a page takes, in order."""
    return [field.name for field in fields(schema)] if schema else []


def _unknown(name: str, names: list[str]) -> str:
    if not names:
        return f"there is no parameter {name!r}; this page takes none"
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
    return f"there is no parameter {name!r}; the nearest is {nearest!r}, this page takes {', '.join(names)}"


def _typed(name: str, kind: Any, value: Any) -> Any:
    try:
        return _convert(kind, value)
    except (ValueError, KeyError):
        raise ParameterError(f"{name} is {value!r}; it must be {_kind_in_words(kind)}") from None


def _convert(kind: Any, value: Any) -> Any:
    """`value` as an annotated type; ValueError or KeyError where it is none."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _convert_union(arguments, value)
    if origin is Literal:
        return arguments[arguments.index(value)]
    if origin is tuple:
        items = [item.strip() for item in value.strip("()[] ").split(",")] if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError
        return tuple(_convert(arguments[0], item) for item in items if item != "")
    if isinstance(value, str) and kind is not str:
        value = {"true": True, "false": False}[value.strip().lower()] if kind is bool else kind(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not isfinite(value)):
        raise ValueError
    return value


def _convert_union(kinds: tuple[Any, ...], value: Any) -> Any:
    if NoneType in kinds and (value is None or (isinstance(value, str) and value.strip().lower() == "none")):
        return None
    for kind in kinds:
        if kind is not NoneType:
            try:
                return _convert(kind, value)
            except (ValueError, KeyError):
                continue
    raise ValueError


def _kind_in_words(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_kind_in_words(each) for each in arguments)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        return f"a list such as 1,2,3 where each is {_kind_in_words(arguments[0])}"
    return WORDS[kind]
