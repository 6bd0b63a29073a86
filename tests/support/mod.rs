//! What several modules need.

pub mod hub;
