//! Trees to the sections of a profile: which sections are carried, and the checks of their content.
//!
//! Events of every encoding pass these checks, so that all of them keep the same rules. An error names the field and the
//! rule, never the value.

use super::time;
use super::tree::Node;
use crate::domain::event::Rejection;
use crate::domain::section::{
    Accommodation, Activities, Budget, BudgetRange, Climate, Demographics, Destinations, Experience, Quality, Section,
    Token, Transport, Travel,
};

/// The most items a list may have, blank ones not counted.
const MAX_ITEMS: usize = 256;
/// The oldest age that is a child's, in whole years.
const MAX_CHILD_AGE: f64 = 25.0;

/// The sections that `preferences` carries, in their documented order.
///
/// # Errors
/// `bad_value` for the first field that is read and has a wrong type or value.
pub(super) fn preferences(preferences: &Node<'_>) -> Result<Vec<Section>, Rejection> {
    // Two more may follow: demographics and quality.
    let mut sections = Vec::with_capacity(10);
    let Some(preferences) = object(preferences, "preferences")? else { return Ok(sections) };
    if let Some(section) = object(preferences.get("budget"), "preferences.budget")? {
        sections.push(Section::Budget(budget(section)?));
    }
    if let Some(section) = object(preferences.get("travel"), "preferences.travel")? {
        sections.push(Section::Travel(travel(section)?));
    }
    if let Some(section) = object(preferences.get("accommodation"), "preferences.accommodation")? {
        sections.push(Section::Accommodation(accommodation(section)?));
    }
    if let Some(section) = object(preferences.get("activities"), "preferences.activities")? {
        sections.push(Section::Activities(activities(section)?));
    }
    if let Some(section) = object(preferences.get("experience"), "preferences.experience")? {
        let risk_tolerance = token(section.get("riskTolerance"), "preferences.experience.riskTolerance")?;
        sections.push(Section::Experience(Experience { risk_tolerance }));
    }
    if let Some(section) = object(preferences.get("climate"), "preferences.climate")? {
        let preferences = tokens(section.get("preferences"), "preferences.climate.preferences")?;
        sections.push(Section::Climate(Climate { preferences }));
    }
    if object(preferences.get("destinations"), "preferences.destinations")?.is_some() {
        sections.push(Section::Destinations(Destinations { stated: true }));
    }
    if let Some(section) = object(preferences.get("transport"), "preferences.transport")? {
        let preferred_airlines = tokens(section.get("preferredAirlines"), "preferences.transport.preferredAirlines")?;
        sections.push(Section::Transport(Transport { preferred_airlines }));
    }
    Ok(sections)
}

/// Section demographics: carried by a date of birth that is not null.
///
/// # Errors
/// `bad_value` unless it is a string that starts with a date of the calendar.
pub(super) fn demographics(date_of_birth: &Node<'_>) -> Result<Option<Section>, Rejection> {
    let date = match date_of_birth {
        Node::Null => return Ok(None),
        Node::Text(text) => time::parse_date(text),
        _ => None,
    };
    match date {
        Some(date_of_birth) => Ok(Some(Section::Demographics(Demographics { date_of_birth }))),
        None => Err(Rejection::bad_value("profile.dateOfBirth", "must start with a date, YYYY-MM-DD")),
    }
}

/// Section quality: carried by a completeness that is a number, in percent.
///
/// # Errors
/// `bad_value` where `metadata` or its `dataQuality` is no object, or completeness is outside 0 to 100.
pub(super) fn quality(metadata: &Node<'_>) -> Result<Option<Section>, Rejection> {
    let Some(metadata) = object(metadata, "profile.metadata")? else { return Ok(None) };
    let Some(quality) = object(metadata.get("dataQuality"), "profile.metadata.dataQuality")? else { return Ok(None) };
    match quality.get("completeness") {
        Node::Null => Ok(None),
        Node::Number(completeness) if (0.0..=100.0).contains(completeness) => {
            Ok(Some(Section::Quality(Quality { completeness: *completeness })))
        }
        _ => {
            Err(Rejection::bad_value("profile.metadata.dataQuality.completeness", "must be a number between 0 and 100"))
        }
    }
}

/// `None` for null.
///
/// # Errors
/// `bad_value` for anything else that is no object.
pub(super) fn object<'n, 'a>(node: &'n Node<'a>, path: &str) -> Result<Option<&'n Node<'a>>, Rejection> {
    match node {
        Node::Null => Ok(None),
        Node::Object(_) => Ok(Some(node)),
        _ => Err(Rejection::bad_value(path, "must be an object")),
    }
}

/// `None` for null.
///
/// # Errors
/// `bad_value` for anything else that is no boolean.
pub(super) fn boolean(node: &Node<'_>, path: &str) -> Result<Option<bool>, Rejection> {
    match node {
        Node::Null => Ok(None),
        Node::Bool(value) => Ok(Some(*value)),
        _ => Err(Rejection::bad_value(path, "must be true or false")),
    }
}

fn budget(section: &Node<'_>) -> Result<Budget, Rejection> {
    let path = "preferences.budget.globalRange";
    let Some(range) = object(section.get("globalRange"), path)? else { return Ok(Budget { global_range: None }) };
    let min = amount(range.get("min"), "preferences.budget.globalRange.min")?;
    let max = amount(range.get("max"), "preferences.budget.globalRange.max")?;
    if min > max {
        return Err(Rejection::bad_value(path, "min must not be above max"));
    }
    let currency = token(range.get("currency"), "preferences.budget.globalRange.currency")?;
    Ok(Budget { global_range: Some(BudgetRange { min, max, currency }) })
}

fn travel(section: &Node<'_>) -> Result<Travel, Rejection> {
    Ok(Travel {
        types: tokens(section.get("types"), "preferences.travel.types")?,
        purposes: tokens(section.get("purposes"), "preferences.travel.purposes")?,
        group_types: tokens(section.get("groupTypes"), "preferences.travel.groupTypes")?,
        travel_with_children: boolean(section.get("travelWithChildren"), "preferences.travel.travelWithChildren")?,
        children_ages: ages(section.get("childrenAges"), "preferences.travel.childrenAges")?,
    })
}

fn accommodation(section: &Node<'_>) -> Result<Accommodation, Rejection> {
    Ok(Accommodation {
        types: tokens(section.get("types"), "preferences.accommodation.types")?,
        comfort_level: token(section.get("comfortLevel"), "preferences.accommodation.comfortLevel")?,
    })
}

fn activities(section: &Node<'_>) -> Result<Activities, Rejection> {
    Ok(Activities {
        types: tokens(section.get("types"), "preferences.activities.types")?,
        interests: tokens(section.get("interests"), "preferences.activities.interests")?,
        activity_level: token(section.get("activityLevel"), "preferences.activities.activityLevel")?,
    })
}

/// An amount of money.
fn amount(node: &Node<'_>, path: &str) -> Result<f64, Rejection> {
    match node {
        Node::Number(value) if *value >= 0.0 => Ok(*value),
        Node::Number(_) => Err(Rejection::bad_value(path, "must not be negative")),
        _ => Err(Rejection::bad_value(path, "must be a number")),
    }
}

/// A level or a currency; null and blank are none.
fn token(node: &Node<'_>, path: &str) -> Result<Option<Token>, Rejection> {
    match node {
        Node::Null => Ok(None),
        Node::Text(text) => word(text, path),
        _ => Err(Rejection::bad_value(path, "must be a string")),
    }
}

/// A word; a blank one is none.
fn word(text: &str, path: &str) -> Result<Option<Token>, Rejection> {
    match Token::new(text) {
        None if text.contains('\0') => Err(Rejection::bad_value(path, "must not contain NUL")),
        word => Ok(word),
    }
}

/// A list of words; null is an empty list, blank words are dropped, repeated ones are kept.
fn tokens(node: &Node<'_>, path: &str) -> Result<Vec<Token>, Rejection> {
    let mut tokens = Vec::new();
    for item in list(node, path)? {
        match item {
            Node::Text(text) => tokens.extend(word(text, path)?),
            _ => return Err(Rejection::bad_value(path, "must contain only strings")),
        }
        at_most_max_items(&tokens, path)?;
    }
    Ok(tokens)
}

/// A list of children's ages in whole years; null is an empty list.
fn ages(node: &Node<'_>, path: &str) -> Result<Vec<u8>, Rejection> {
    let mut ages = Vec::new();
    for item in list(node, path)? {
        match item {
            // In this range the conversion is exact.
            Node::Number(age) if age.fract() == 0.0 && (0.0..=MAX_CHILD_AGE).contains(age) => ages.push(*age as u8),
            _ => return Err(Rejection::bad_value(path, "must contain only whole numbers between 0 and 25")),
        }
        at_most_max_items(&ages, path)?;
    }
    Ok(ages)
}

fn list<'n, 'a>(node: &'n Node<'a>, path: &str) -> Result<&'n [Node<'a>], Rejection> {
    match node {
        Node::Null => Ok(&[]),
        Node::List(items) => Ok(items),
        _ => Err(Rejection::bad_value(path, "must be a list")),
    }
}

fn at_most_max_items<T>(items: &[T], path: &str) -> Result<(), Rejection> {
    if items.len() > MAX_ITEMS {
        return Err(Rejection::bad_value(path, "must not have more than 256 items"));
    }
    Ok(())
}
