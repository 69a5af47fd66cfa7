//! The canonical form of a section and its hash: the last comparator between two writes of one register.
//!
//! The form is a JSON array: the section's name, then its kept fields in the order in which
//! [`section`](super::section) declares them; tokens as normalised there; absent fields are `null`. It is
//! computed only when two writes carry the same time, event id and decoder version, so that even a reused event id cannot
//! make the order of arrival show.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::section::{BudgetRange, Section, Token};

/// SHA-256 over the section's canonical form.
pub fn hash(section: &Section) -> [u8; 32] {
    Sha256::digest(canonical(section).to_string().as_bytes()).into()
}

fn canonical(section: &Section) -> Value {
    match section {
        Section::Budget(budget) => json!(["budget", budget.global_range.as_ref().map(range)]),
        Section::Travel(travel) => json!([
            "travel",
            tokens(&travel.types),
            tokens(&travel.purposes),
            tokens(&travel.group_types),
            travel.travel_with_children,
            travel.children_ages,
        ]),
        Section::Accommodation(accommodation) => {
            json!(["accommodation", tokens(&accommodation.types), token(accommodation.comfort_level.as_ref())])
        }
        Section::Activities(activities) => json!([
            "activities",
            tokens(&activities.types),
            tokens(&activities.interests),
            token(activities.activity_level.as_ref()),
        ]),
        Section::Experience(experience) => json!(["experience", token(experience.risk_tolerance.as_ref())]),
        Section::Climate(climate) => json!(["climate", tokens(&climate.preferences)]),
        Section::Destinations(destinations) => json!(["destinations", destinations.stated]),
        Section::Transport(transport) => json!(["transport", tokens(&transport.preferred_airlines)]),
        Section::Demographics(demographics) => {
            let born = demographics.date_of_birth;
            json!(["demographics", [born.year, u16::from(born.month), u16::from(born.day)]])
        }
        Section::Quality(quality) => json!(["quality", quality.completeness]),
    }
}

fn range(range: &BudgetRange) -> Value {
    json!([range.min, range.max, token(range.currency.as_ref())])
}

fn token(token: Option<&Token>) -> Option<&str> {
    token.map(Token::as_str)
}

fn tokens(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(Token::as_str).collect()
}
