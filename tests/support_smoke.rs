//! The support itself keeps what it promises to the other tests.

mod postgres;
