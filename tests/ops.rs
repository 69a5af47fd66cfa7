//! What runs around the program, tested by `make test-ops`: its servers and tools are heavier than those of `make test`.

mod registry;
