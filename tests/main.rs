//! tests

mod decoding_corpus;
