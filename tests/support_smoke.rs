//! The support itself keeps what it promises to the other tests.

mod kafka;
mod postgres;
