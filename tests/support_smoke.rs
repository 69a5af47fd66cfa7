//! The test support itself works as the other tests need it.

mod history;
mod kafka;
mod kafkajs;
mod lifetime;
mod postgres;
mod segmenter;
