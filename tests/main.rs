//! Behaviour through public doors, one module each.

mod drafts;
mod risks;
