//! What happened, pushed to whoever listens.
