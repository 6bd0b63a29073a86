//! All integration tests, in one binary; one module for each behaviour.

mod support;

mod hub;
mod models;
mod rerank;
