from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from faststyle.protobuf import content_field, number_field, read_fields, read_numbers


def test_what_onnx_writes_is_read() -> None:
    message = helper.make_tensor("weights", TensorProto.FLOAT, [3, 300], bytes(3600), raw=True)
    fields = list(read_fields(message.SerializeToString()))
    by_number = {field.number: field for field in fields}
    sides = [by_number[1].value] if isinstance(by_number[1].value, int) else []
    sides = sides or list(read_numbers(by_number[1].content))
    assert 300 in sides
    assert by_number[2].value == TensorProto.FLOAT
    assert by_number[8].text == "weights"
    assert len(by_number[9].content) == 3600
    assert b"".join(field.whole for field in fields) == message.SerializeToString()


@pytest.mark.parametrize("value", [0, 1, 127, 128, 2**32, 2**63])
def test_what_is_written_is_read(value: int) -> None:
    written = number_field(3, value) + content_field(400, "ü".encode())
    first, second = read_fields(written)
    assert (first.number, first.value, first.text) == (3, value, "")
    assert (second.number, second.text) == (400, "ü")
    packed = content_field(1, written[1 : len(number_field(3, value))])
    assert list(read_numbers(next(read_fields(packed)).content)) == [value]


@pytest.mark.parametrize(
    "message", [b"\x08", b"\x08\xff", b"\x12\x05abc", b"\x09abc", b"\x0d", b"\x0b", b"\xff"]
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"message|kind"):
        list(read_fields(message))
