//! The rules of the service: events, profiles, scoring, and the fold that joins them. Pure: no I/O, no clock, no environment.
//!
//! ```text
//! event           a decoded input record; the reasons for which a record is skipped or rejected
//! millis          times as text
//! section         the content of a profile's sections
//! canonical       the hash of a section's content, by which equal stamps are ordered
//! profile         a register for each section, and merging an event into them
//! scoring         profile × catalog → dimensions, scores, ranking, feature vector
//! row             the content of a user_vectors row
//! sample          a share of the users, the same at every run
//! ranking_change  a change to publish on segment-changed
//! state           the stored state of a user
//! sample          a share of the users, the same at every run
//! fold            events of one user + state → outcomes, new state, row, at most one ranking change
//! ```

pub mod canonical;
pub mod event;
pub mod fold;
pub mod millis;
pub mod profile;
pub mod ranking_change;
pub mod row;
pub mod sample;
pub mod scoring;
pub mod section;
pub mod state;
