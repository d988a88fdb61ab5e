//! What the operator decided.
