//! TODO

pub mod exit;
pub mod fault;
pub mod halt;
pub mod health;
pub mod retry;
pub mod stop;
