//! Logs and metrics. No message and no label ever holds a secret, a body or a raw path.

mod logs;
mod metrics;

pub use logs::{LogTarget, install, subscriber};
pub use metrics::{CallFigures, Metrics, RouteMeter, TABLE};
