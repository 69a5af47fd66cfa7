//! The test support itself works as the other tests need it.

mod kafka;
mod kafkajs;
mod lifetime;
mod postgres;
mod segmenter;
