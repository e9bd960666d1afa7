// SPDX-License-Identifier: Apache-2.0
//! A writer of very small ONNX files: one node, by the field numbers of `onnx.proto`.

/// A dimension of an input or output: a size, or a name for one that is open.
#[derive(Clone, Copy)]
pub enum Size {
    Is(u64),
    Open(&'static str),
}

/// Name, element type (`TensorProto.DataType`: 1 float, 7 int64) and dimensions.
pub type Port<'a> = (&'a str, u64, &'a [Size]);

/// A graph of one node with the operator `op`.
pub fn graph(op: &str, inputs: &[Port<'_>], outputs: &[Port<'_>]) -> Vec<u8> {
    graph_with(op, inputs, outputs, &[])
}

/// The same with further fields of the graph, e.g. initializers.
pub fn graph_with(op: &str, inputs: &[Port<'_>], outputs: &[Port<'_>], further: &[u8]) -> Vec<u8> {
    let node = [
        inputs.iter().flat_map(|port| text(1, port.0)).collect(),
        outputs.iter().flat_map(|port| text(2, port.0)).collect::<Vec<_>>(),
        text(4, op),
    ]
    .concat();
    let graph = [
        part(1, &node),
        text(2, "g"),
        further.to_vec(),
        inputs.iter().flat_map(|input| part(11, &port(*input))).collect(),
        outputs.iter().flat_map(|output| part(12, &port(*output))).collect(),
    ]
    .concat();
    let opset = [text(1, ""), number(2, 13)].concat();
    [number(1, 8), part(8, &opset), part(7, &graph)].concat()
}

/// An initializer whose values lie in the file `location`.
pub fn external_initializer(name: &str, location: &str) -> Vec<u8> {
    let entry = [text(1, "location"), text(2, location)].concat();
    // dims [1], float, name, external_data, data_location EXTERNAL
    part(5, &[number(1, 1), number(2, 1), text(8, name), part(13, &entry), number(14, 1)].concat())
}

fn port((name, element, sizes): Port<'_>) -> Vec<u8> {
    let dim = |size: &Size| {
        part(
            1,
            &match size {
                Size::Is(size) => number(1, *size),
                Size::Open(name) => text(2, name),
            },
        )
    };
    let shape: Vec<u8> = sizes.iter().flat_map(dim).collect();
    let tensor = [number(1, element), part(2, &shape)].concat();
    [text(1, name), part(2, &part(1, &tensor))].concat()
}

fn text(field: u64, text: &str) -> Vec<u8> {
    part(field, text.as_bytes())
}

fn part(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
