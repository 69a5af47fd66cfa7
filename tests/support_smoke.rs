//! The support itself keeps what it promises to the other tests.

mod kafka;
mod kafkajs;
mod lifetime;
mod postgres;
mod segmenter;
