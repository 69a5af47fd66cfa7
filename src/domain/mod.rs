//! TODO

pub mod canonical;
pub mod event;
pub mod fold;
pub mod millis;
pub mod profile;
pub mod ranking_change;
pub mod row;
pub mod scoring;
pub mod section;
pub mod state;
