//! The columns of a stored onboarding profile as the sections of a profile, by the checks that events pass.

use std::borrow::Cow;

use super::json::read_with;
use super::sections;
use super::tree::{self, Fields, Node};
use crate::domain::event::Rejection;
use crate::domain::section::Section;

/// A list of texts, any of which may be null.
pub type Texts = Option<Vec<Option<String>>>;

/// The columns of a profile from which sections are made, unchecked. `None` is null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// JSON text.
    pub global_range: Option<String>,
    pub travel_types: Texts,
    pub travel_purposes: Texts,
    pub travel_group_types: Texts,
    pub travel_with_children: Option<bool>,
    pub children_ages: Option<Vec<Option<i32>>>,
    pub accommodation_types: Texts,
    pub accommodation_level: Option<String>,
    pub activity_types: Texts,
    pub interest_categories: Texts,
    pub activity_level: Option<String>,
    pub risk_tolerance: Option<String>,
    pub climate_preferences: Texts,
    /// The type of the column's JSON value.
    pub destinations: Option<String>,
    pub preferred_airlines: Texts,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
}

impl Columns {
    /// The sections, as an event with these values would have them.
    ///
    /// # Errors
    /// `bad_value` and `malformed`, as for an event.
    pub fn sections(&self) -> Result<Vec<Section>, Rejection> {
        let global_range = match &self.global_range {
            None => Node::Null,
            Some(json) => read_with(tree::GLOBAL_RANGE, json, "preferences.budget.globalRange")?,
        };
        let travel = [
            texts(&self.travel_types),
            texts(&self.travel_purposes),
            texts(&self.travel_group_types),
            self.travel_with_children.map_or(Node::Null, Node::Bool),
            list(&self.children_ages, |age| Node::number(f64::from(*age))),
        ];
        let accommodation = [texts(&self.accommodation_types), text(&self.accommodation_level)];
        let activities = [texts(&self.activity_types), texts(&self.interest_categories), text(&self.activity_level)];
        let preferences = [
            Node::object(tree::BUDGET, [global_range]),
            Node::object(tree::TRAVEL, travel),
            Node::object(tree::ACCOMMODATION, accommodation),
            Node::object(tree::ACTIVITIES, activities),
            Node::object(tree::EXPERIENCE, [text(&self.risk_tolerance)]),
            Node::object(tree::CLIMATE, [texts(&self.climate_preferences)]),
            match self.destinations.as_deref() {
                None | Some("null") => Node::Null,
                Some("object") => Node::Object(Fields::default()),
                Some(_) => Node::Other,
            },
            Node::object(tree::TRANSPORT, [texts(&self.preferred_airlines)]),
        ];
        let mut sections = sections::preferences(&Node::object(tree::SECTIONS, preferences))?;
        sections.extend(sections::demographics(&text(&self.date_of_birth))?);
        Ok(sections)
    }
}

fn text(value: &Option<String>) -> Node<'_> {
    value.as_deref().map_or(Node::Null, |text| Node::Text(Cow::Borrowed(text)))
}

fn texts(values: &Texts) -> Node<'_> {
    list(values, |text| Node::Text(Cow::Borrowed(text.as_str())))
}

fn list<'a, T>(values: &'a Option<Vec<Option<T>>>, item: impl Fn(&'a T) -> Node<'a>) -> Node<'a> {
    match values {
        None => Node::Null,
        Some(values) => Node::List(values.iter().map(|value| value.as_ref().map_or(Node::Null, &item)).collect()),
    }
}
