//! tests
mod migrations;
