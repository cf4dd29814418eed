"""Turning tensors inside an ONNX file into inputs or outputs, without the onnx package.

Only the few fields that matter here are looked into; all others are copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set

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

NOTHING: Mapping[str, int] = {}


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


def carried(model: bytes, *, ways: Sequence[str]) -> list[set[str]]:
    """Find what a computation takes from one stretch of its way to the next.

    Args:
        model: content of an ONNX file.
        ways: names of the tensors that the stretches lead to, in their order.

    Returns:
        For each of them, the tensors that are made on the way to it or before, and lead to others.

    Raises:
        ValueError: the content is no ONNX file.
    """
    nodes = [each for each in _graph(model) if each.number == NODE]
    takes = [_names(node, NODE_INPUT) for node in nodes]
    makers = {name: index for index, node in enumerate(nodes) for name in _names(node, NODE_OUTPUT)}
    stretches: list[set[int]] = []
    done: set[int] = set()
    for way in ways:
        open_ends, stretch = [way], set[int]()
        while open_ends:
            index = makers.get(open_ends.pop())
            if index is not None and index not in done | stretch:
                stretch.add(index)
                open_ends += takes[index]
        stretches.append(stretch)
        done |= stretch
    found: list[set[str]] = []
    later: set[str] = set()
    for stretch in reversed(stretches):
        found.append({name for name in later if makers.get(name) in done})
        done -= stretch
        later |= {name for index in stretch for name in takes[index]}
    return found[::-1]


def cut(
    model: bytes,
    *,
    tensors: Mapping[str, Dimensions | None],
    elements: Mapping[str, int] = NOTHING,
) -> bytes:
    """Make inputs of what nodes put out, and leave out what led to them alone.

    Args:
        model: content of an ONNX file.
        tensors: names of the outputs, and the dimensions of the new inputs, None for any.
        elements: ONNX's numbers of the types of their elements; float32 where none is given.

    Returns:
        The content of an ONNX file.

    Raises:
        ValueError: the content is no ONNX file.
    """
    graph = _without_what_leads_to(_graph(model), set(tensors))
    return _with_graph(model, [*graph, *_values(GRAPH_INPUT, tensors, elements)])


def only(model: bytes, *, tensors: Collection[str]) -> bytes:
    """Make outputs of what nodes put out, and leave out all others and what leads to them alone.

    Args:
        model: content of an ONNX file.
        tensors: names of the outputs; runtimes find out by themselves of what type they are.

    Returns:
        The content of an ONNX file.

    Raises:
        ValueError: the content is no ONNX file.
    """
    graph = _graph(model)
    others = {_names(each, VALUE_NAME)[0] for each in graph if each.number == GRAPH_OUTPUT}
    kept = [each for each in graph if each.number != GRAPH_OUTPUT]
    for name in tensors:
        written = content_field(GRAPH_OUTPUT, content_field(VALUE_NAME, name.encode()))
        kept.append(Field(GRAPH_OUTPUT, written, next(read_fields(written)).value))
    return _with_graph(model, _without_what_leads_to(kept, others.difference(tensors)))


def _graph(model: bytes) -> list[Field]:
    graphs = (each for each in read_fields(model) if each.number == GRAPH)
    return next((list(read_fields(each.content)) for each in graphs), [])


def _with_graph(model: bytes, graph: list[Field]) -> bytes:
    content = b"".join(each.whole for each in graph)
    return b"".join(
        content_field(GRAPH, content) if each.number == GRAPH else each.whole
        for each in read_fields(model)
    )


def _values(
    number: int, tensors: Mapping[str, Dimensions | None], elements: Mapping[str, int]
) -> Iterator[Field]:
    for name, dimensions in tensors.items():
        written = content_field(
            number, _value_info(name, dimensions, element=elements.get(name, FLOAT))
        )
        yield Field(number, written, memoryview(b""))


def _without_what_leads_to(graph: list[Field], unused: Set[str]) -> list[Field]:
    """Remove the nodes that put out some tensors, and every node of which nothing is used then."""
    outputs = {_names(each, VALUE_NAME)[0] for each in graph if each.number == GRAPH_OUTPUT}
    nodes = [each for each in graph if each.number == NODE]
    takes = [_names(node, NODE_INPUT) for node in nodes]
    uses = Counter(name for names in takes for name in names)
    useless = set(unused)
    gone = set()
    # Nodes stand after those that they use, so that from the end users come first.
    for node, names in zip(reversed(nodes), reversed(takes), strict=True):
        if useless.issuperset(_names(node, NODE_OUTPUT)):
            gone.add(id(node))
            uses.subtract(names)
            useless |= {name for name in names if not uses[name] and name not in outputs}
    return [each for each in graph if id(each) not in gone]


def _names(node: Field, number: int) -> list[str]:
    return [each.text for each in read_fields(node.content) if each.number == number]


def _value_info(name: str, dimensions: Dimensions | None, *, element: int) -> bytes:
    """Write a ValueInfoProto of a tensor."""
    tensor = number_field(1, element)
    if dimensions is not None:
        sizes = b"".join(
            content_field(
                1,
                content_field(2, each.encode()) if isinstance(each, str) else number_field(1, each),
            )
            for each in dimensions
        )
        tensor += content_field(2, sizes)
    return content_field(VALUE_NAME, name.encode()) + content_field(2, content_field(1, tensor))
