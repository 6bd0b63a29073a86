//! All integration tests in one binary: one module for each behaviour, driven through the public doors (the library's
//! interface, a real server on a free port, the real program). Nothing here needs the network beyond loopback, sleeps to wait
//! for something, or asserts times; what a test waits for it asks for, with a generous limit.

mod support;

mod analyze;
mod architecture;
mod cli;
mod config;
mod conversations;
mod corpus_check;
mod dify;
mod documents;
mod drafts;
mod encoder;
mod eval_report;
mod explain;
mod features;
mod generations;
mod http;
mod hub;
mod likeness;
mod models;
mod pruning;
mod reachability;
mod replies;
mod rerank;
mod risks;
mod search;
mod second_reading;
mod suggest;
mod text;
mod topics;
mod tuning;
mod vector_lists;
