"""Turning tensors inside an ONNX file into inputs or outputs, without the onnx package.

Only the few fields that matter here are looked into; all others are copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from faststyle.protobuf import Field, content_field, number_field, read_fields

GRAPH = 7
"""Field of a model."""
NODE, GRAPH_INPUT, GRAPH_OUTPUT = 1, 11, 12
"""Fields of a graph."""
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR = 1, 2, 4
"""Fields of a node."""
VALUE_NAME = 1
"""Field of an input or output."""

FLOAT = 1
"""Element type of float32."""


Dimensions = tuple[str | int, ...]
"""Sizes of a tensor, or names of those that vary."""


def tensors_called(model: bytes, prefixes: tuple[str, ...]) -> list[str]:
    """Return the names of what nodes of an ONNX file put out that begin so, in their order.

    Raises:
        ValueError: the content is no ONNX file.
    """
    nodes = (each for each in _graph(model) if each.number == NODE)
    names = (name for node in nodes for name in _names(node, NODE_OUTPUT))
    return [name for name in names if name.startswith(prefixes)]


def origin(model: bytes, tensor: str, *, of: str) -> str:
    """Return what an operator made a tensor of, perhaps with other nodes after it.

    Args:
        model: content of an ONNX file.
        tensor: name of the tensor.
        of: the operator; nodes are followed back by their first inputs until there is one.

    Returns:
        Name of the operator's first input.

    Raises:
        ValueError: the content is no ONNX file, or no such operator leads to the tensor.
    """
    nodes = [each for each in _graph(model) if each.number == NODE]
    makers = {name: node for node in nodes for name in _names(node, NODE_OUTPUT)}
    while tensor in makers:
        node = makers[tensor]
        inputs = _names(node, NODE_INPUT)
        tensor = inputs[0] if inputs else ""
        if _names(node, NODE_OPERATOR) == [of]:
            return tensor
    raise ValueError(f"no {of} leads to it")


def cut(model: bytes, *, tensors: Mapping[str, Dimensions]) -> bytes:
    """Make inputs of what nodes put out, and leave out what led to them alone.

    Args:
        model: content of an ONNX file.
        tensors: names of the outputs, float32, and the dimensions of the new inputs.

    Returns:
        The content of an ONNX file.

    Raises:
        ValueError: the content is no ONNX file.
    """
    graph = _without_what_leads_to(_graph(model), set(tensors))
    return _with_graph(model, [*graph, *_values(GRAPH_INPUT, tensors)])


def expose(model: bytes, *, tensors: Mapping[str, Dimensions]) -> bytes:
    """Make outputs of what nodes put out, besides those there are.

    Args:
        model: content of an ONNX file.
        tensors: names, float32, and dimensions.

    Returns:
        The content of an ONNX file.

    Raises:
        ValueError: the content is no ONNX file.
    """
    return _with_graph(model, [*_graph(model), *_values(GRAPH_OUTPUT, tensors)])


def _graph(model: bytes) -> list[Field]:
    graphs = (each for each in read_fields(model) if each.number == GRAPH)
    return next((list(read_fields(each.content)) for each in graphs), [])


def _with_graph(model: bytes, graph: list[Field]) -> bytes:
    content = b"".join(each.whole for each in graph)
    return b"".join(
        content_field(GRAPH, content) if each.number == GRAPH else each.whole
        for each in read_fields(model)
    )


def _values(number: int, tensors: Mapping[str, Dimensions]) -> Iterator[Field]:
    for name, dimensions in tensors.items():
        written = content_field(number, _value_info(name, dimensions))
        yield Field(number, written, memoryview(b""))


def _without_what_leads_to(graph: list[Field], unused: set[str]) -> list[Field]:
    """Remove the nodes that put out some tensors, and every node of which nothing is used then."""
    outputs = {_names(each, VALUE_NAME)[0] for each in graph if each.number == GRAPH_OUTPUT}
    while unused:
        gone: list[Field] = []
        kept: list[Field] = []
        for each in graph:
            useless = each.number == NODE and unused.issuperset(_names(each, NODE_OUTPUT))
            (gone if useless else kept).append(each)
        graph = kept
        asked = {name for each in gone for name in _names(each, NODE_INPUT)}
        rest = (each for each in graph if each.number == NODE)
        unused = asked - {name for each in rest for name in _names(each, NODE_INPUT)} - outputs
        if not gone:
            break
    return graph


def _names(node: Field, number: int) -> list[str]:
    return [each.text for each in read_fields(node.content) if each.number == number]


def _value_info(name: str, dimensions: Dimensions) -> bytes:
    """Write a ValueInfoProto of a float32 tensor."""
    sizes = b"".join(
        content_field(
            1, content_field(2, each.encode()) if isinstance(each, str) else number_field(1, each)
        )
        for each in dimensions
    )
    tensor = number_field(1, FLOAT) + content_field(2, sizes)
    return content_field(VALUE_NAME, name.encode()) + content_field(2, content_field(1, tensor))
