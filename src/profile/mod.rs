//! The state of a user's profile: one last-writer-wins register a section.

pub mod section;
