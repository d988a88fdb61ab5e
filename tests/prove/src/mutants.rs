//! Mutation of the rules.
