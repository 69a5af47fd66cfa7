//! TODO

pub mod doctor;
pub mod verify;
