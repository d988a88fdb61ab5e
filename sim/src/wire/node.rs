//! One tree for both languages: the broker builds XML and turns it into JSON, quirks included; here both are written
//! from the same nodes.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use rust_decimal::Decimal;

use super::number::{push_int, push_number};

/// A value in an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// `null`, an empty element.
    Null,
    Bool(bool),
    Int(i64),
    /// A number with at least one digit behind the point.
    Number(Decimal),
    /// A number with exactly eight digits behind the point.
    Eight(Decimal),
    /// A number written as it is: `0E-8`.
    Raw(&'static str),
    Text(String),
    /// Text that is the same in every answer.
    Word(&'static str),
    /// A value that several answers share, written once.
    Shared(Arc<Written>),
    /// Fields in order.
    Map(Vec<(&'static str, Node)>),
    /// In XML, the field's element is repeated.
    List(Vec<Node>),
}

/// A value with its JSON, for what is answered again and again.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    node: Node,
    json: Bytes,
}

impl Written {
    pub(crate) fn new(node: Node) -> Self {
        Self { json: node.to_json().into(), node }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn json(&self) -> Bytes {
        self.json.clone()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.json).unwrap_or("null")
    }
}

/// The quirk of lists: one item stands alone, several stand in an array.
pub(crate) fn one_or_many(mut items: Vec<Node>) -> Node {
    if items.len() == 1 { items.pop().unwrap_or(Node::Null) } else { Node::List(items) }
}

/// The quirk of empty lists: the word `null` in a string.
pub(crate) fn nullable(outer: &'static str, inner: &'static str, items: Vec<Node>) -> Node {
    let value = if items.is_empty() { Node::text("null") } else { Node::Map(vec![(inner, one_or_many(items))]) };
    Node::Map(vec![(outer, value)])
}

impl Node {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn maybe(value: Option<Decimal>) -> Self {
        value.map_or(Self::Null, Self::Number)
    }

    /// A map with one field.
    pub(crate) fn wrap(key: &'static str, inner: Self) -> Self {
        Self::Map(vec![(key, inner)])
    }

    pub(crate) fn to_json(&self) -> String {
        let mut out = String::with_capacity(512 + self.written());
        self.json(&mut out);
        out
    }

    /// How many bytes of JSON are written already.
    fn written(&self) -> usize {
        match self {
            Self::Shared(known) => known.json.len() + 1,
            Self::Map(fields) => fields.iter().map(|(_, value)| value.written()).sum(),
            Self::List(items) => items.iter().map(Self::written).sum(),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Number(_) | Self::Eight(_) => 0,
            Self::Raw(_) | Self::Text(_) | Self::Word(_) => 0,
        }
    }

    fn json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Text(text) => quote(text, out),
            Self::Word(text) => quote(text, out),
            Self::Shared(known) => out.push_str(known.text()),
            Self::Map(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if i > 0 { ",\"" } else { "\"" });
                    out.push_str(key);
                    out.push_str("\":");
                    value.json(out);
                }
                out.push('}');
            }
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.json(out);
                }
                out.push(']');
            }
            Self::Bool(_) | Self::Int(_) | Self::Number(_) | Self::Eight(_) | Self::Raw(_) => self.scalar(out),
        }
    }

    pub(crate) fn to_xml(&self) -> String {
        let mut out = String::with_capacity(512);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>");
        self.xml(&mut out);
        out
    }

    fn xml(&self, out: &mut String) {
        match self {
            Self::Null => {}
            Self::Text(text) => escape(text, out),
            Self::Word(text) => escape(text, out),
            Self::Shared(known) => known.node.xml(out),
            Self::Map(fields) => {
                for (key, value) in fields {
                    value.element(key, out);
                }
            }
            Self::List(items) => {
                for item in items {
                    item.xml(out);
                }
            }
            Self::Bool(_) | Self::Int(_) | Self::Number(_) | Self::Eight(_) | Self::Raw(_) => self.scalar(out),
        }
    }

    fn element(&self, key: &str, out: &mut String) {
        if let Self::List(items) = self {
            for item in items {
                item.element(key, out);
            }
            return;
        }
        let _ = write!(out, "<{key}>");
        self.xml(out);
        let _ = write!(out, "</{key}>");
    }

    fn scalar(&self, out: &mut String) {
        match self {
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => push_int(out, *value),
            Self::Number(value) => push_number(out, *value),
            Self::Eight(value) => {
                let written = write!(out, "{value:.8}");
                debug_assert!(written.is_ok(), "writing to a string cannot fail");
            }
            Self::Raw(text) => out.push_str(text),
            Self::Null | Self::Text(_) | Self::Word(_) | Self::Shared(_) | Self::Map(_) | Self::List(_) => {
                out.push_str("null");
            }
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c < ' ' && !matches!(c, '\n' | '\t' | '\r') => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_json_whatever_the_text() {
        let node = Node::wrap("a", Node::text("\"\\\u{1}\n<é>"));
        let read: serde_json::Value = serde_json::from_str(&node.to_json()).unwrap();
        assert_eq!(read["a"], "\"\\\u{1}\n<é>");
    }

    #[test]
    fn numbers_keep_their_faces() {
        let faces = [
            (Node::Number(Decimal::new(100_000, 0)), "100000.0"),
            (Node::Number(Decimal::new(55, 2)), "0.55"),
            (Node::Eight(Decimal::ONE), "1.00000000"),
            (Node::Raw("0E-8"), "0E-8"),
            (Node::Int(7), "7"),
        ];
        for (node, face) in faces {
            assert_eq!(node.to_json(), face);
        }
    }

    #[test]
    fn what_is_shared_reads_as_if_it_were_not() {
        let item = || Node::Map(vec![("a", Node::Word("x<y")), ("b", Node::Int(-7))]);
        let tree = |one: Node, two: Node| Node::wrap("all", Node::wrap("item", Node::List(vec![one, two])));
        let known = Node::Shared(Arc::new(Written::new(item())));
        let (plain, shared) = (tree(item(), item()), tree(known.clone(), known));
        assert_eq!(plain.to_json(), shared.to_json());
        assert_eq!(plain.to_xml(), shared.to_xml());
    }

    #[test]
    fn lists_repeat_their_element_in_xml() {
        let tree = nullable("orders", "order", vec![Node::Int(1), Node::Int(2)]);
        assert!(tree.to_xml().ends_with("<orders><order>1</order><order>2</order></orders>"));
        assert_eq!(nullable("orders", "order", vec![]).to_json(), "{\"orders\":\"null\"}");
        assert_eq!(nullable("orders", "order", vec![Node::Int(1)]).to_json(), "{\"orders\":{\"order\":1}}");
    }
}
