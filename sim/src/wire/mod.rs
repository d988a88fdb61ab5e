//! The broker's wire: parameters in, trees of nodes out as JSON or XML, and every habit of its errors.

mod answer;
mod errors;
mod limits;
mod node;
mod number;
mod orders;
mod params;
mod ticket;

pub(crate) use answer::{Answer, Body, Format};
pub(crate) use errors::{fault, html_page};
pub(crate) use limits::{Bucket, Count, Limits, too_many};
pub(crate) use node::{Node, Written, nullable, one_or_many};
pub(crate) use orders::{NumberStyle, notice_node, order_node};
pub(crate) use params::{Params, split_symbols};
pub(crate) use ticket::{read_change, read_ticket};
