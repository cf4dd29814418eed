"""Collecting the nodes and weights of an ONNX graph.

What follows from constants alone is computed while it is written, so that a graph for pictures of
one size holds no arithmetic of sizes, which some runtimes cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from faststyle.training.network import TransformerNetwork

OF_SIZES = {"Add", "Concat", "Div", "Max", "Mul", "Slice", "Sub"}
"""Operators that arithmetic of sizes is made of."""


class GraphWriter:
    """Collects nodes and weights, and names what flows between them."""

    def __init__(
        self, network: TransformerNetwork, *, half: bool = False, half_weights: bool = False
    ) -> None:
        """Begin a graph.

        Args:
            network: names its parameters.
            half: compute in float16.
            half_weights: store float16 weights at least.
        """
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[tuple[str, bytes], onnx.TensorProto] = {}
        self.half = half
        self.half_weights = half or half_weights
        self.names = {id(each): name for name, each in network.named_parameters()}
        self.sizes: dict[str, NDArray[np.generic]] = {}

    def node(
        self,
        operator: str,
        *inputs: str,
        attributes: Mapping[str, Any] | None = None,
        output: str = "",
    ) -> str:
        """Append a node with one output and return the output's name."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        node = helper.make_node(operator, inputs, [output], **(attributes or {}))
        if operator in OF_SIZES and all(name in self.sizes for name in inputs):
            (values,) = ReferenceEvaluator(node).run(
                None, {name: self.sizes[name] for name in inputs}
            )
            return self.size_constant(np.asarray(values))
        self.nodes.append(node)
        return output

    def end_with(self, *used: str) -> None:
        """Drop the nodes after the last one that puts out any of these, as they lead nowhere."""
        while not set(self.nodes[-1].output) & set(used):
            self.nodes.pop()

    def constant(self, values: NDArray[np.generic], *, name: str = "") -> str:
        """Return the name of a constant, written once however often it is used."""
        key = (f"{name}{values.dtype}{values.shape}", values.tobytes())
        if key not in self.initializers:
            name = name or f"constant_{len(self.initializers)}"
            self.initializers[key] = numpy_helper.from_array(values, name)
        return self.initializers[key].name

    def size_constant(self, values: NDArray[np.generic]) -> str:
        """Return the name of a constant that arithmetic of sizes is done with."""
        name = self.constant(values)
        self.sizes[name] = values
        return name

    def integers(self, *values: int) -> str:
        """Return the name of a constant int64 vector, such as sizes."""
        return self.size_constant(np.array(values, np.int64))

    def all_zero(self, sizes: str) -> bool:
        """Tell whether sizes are known to be zero whatever the picture."""
        return sizes in self.sizes and not self.sizes[sizes].any()

    def number(self, value: float, *, kind: type[np.generic] = np.float32) -> str:
        """Return the name of a constant scalar."""
        return self.constant(np.array(value, kind))

    def parameter(self, parameter: Tensor, values: Tensor | None = None) -> str:
        """Return the name of a parameter's values, which are those used where given.

        It has the name of the parameter, so that the network can be read back.
        """
        used = (parameter if values is None else values).detach().cpu().float().numpy()
        contiguous = np.ascontiguousarray(
            used.astype(np.float16 if self.half_weights else used.dtype)
        )
        stored = self.constant(contiguous, name=self.names[id(parameter)])
        if self.half_weights and not self.half:
            # Runtimes fold this cast when they load the file.
            return self.node("Cast", stored, attributes={"to": TensorProto.FLOAT})
        return stored

    def floats(self, x: str) -> str:
        """Turn float32 into the type that is computed in."""
        return self.node("Cast", x, attributes={"to": TensorProto.FLOAT16}) if self.half else x

    def float32(self, x: str) -> str:
        """Turn the type that is computed in into float32."""
        return self.node("Cast", x, attributes={"to": TensorProto.FLOAT}) if self.half else x
