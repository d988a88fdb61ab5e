//! How everything ends: in reverse order, within a deadline.
