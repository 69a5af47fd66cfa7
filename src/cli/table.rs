//! The renderer of all reports: writes any serialisable report as JSON, or as tables.
//!
//! An object becomes a table of names and values; its larger members follow under their names. A list of objects
//! becomes a table with a heading. Camel-case names become words. Fractions have three digits.

use std::fmt;
use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use terminal_size::{Width, terminal_size_of};

/// A narrower terminal wraps by itself; longer lines are hard to read.
const LEAST_WIDTH: u16 = 60;
const GREATEST_WIDTH: u16 = 120;
/// The columns between two cells, and the indent of a member.
const GAP: u16 = 2;

/// Writes a report: as a line of JSON, or as tables. On a terminal long cells wrap; elsewhere a row is one line, for
/// grep.
///
/// # Errors
/// It cannot be written.
pub fn print(report: &impl Serialize, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let text = serde_json::to_string(report)?;
    if json {
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let width = terminal_size_of(io::stdout()).map(|(Width(width), _)| width.clamp(LEAST_WIDTH, GREATEST_WIDTH));
    let mut rendered = String::new();
    serde_json::from_str::<Node>(&text)?.render(0, width, &mut rendered);
    out.write_all(rendered.as_bytes())?;
    Ok(())
}

/// The text with its control characters escaped: data must not control the terminal.
pub(crate) fn printable(text: &str) -> String {
    let escaped = |char: char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() };
    text.chars().map(escaped).collect()
}

/// A part of a report. Unlike [`serde_json::Value`] it keeps the order of the members.
enum Node {
    Word(String),
    Number(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn render(&self, indent: u16, width: Option<u16>, out: &mut String) {
        match self {
            Self::Object(members) => {
                let mut rows = Vec::new();
                for (name, node) in members {
                    if node.fits_a_cell() {
                        rows.push(vec![Cell::new(words(name)), Cell::new(node.text())]);
                        continue;
                    }
                    write_table(None, std::mem::take(&mut rows), indent, width, out);
                    if indent == 0 && !out.is_empty() {
                        out.push('\n');
                    }
                    out.push_str(&format!("{}{}\n", " ".repeat(usize::from(indent)), words(name)));
                    node.render(indent + GAP, width, out);
                }
                write_table(None, rows, indent, width, out);
            }
            Self::List(items) => {
                let mut names: Vec<&str> = Vec::new();
                for (name, _) in items.iter().flat_map(Self::members) {
                    if !names.contains(&name.as_str()) {
                        names.push(name);
                    }
                }
                let row = |item: &Self| {
                    let cell = |name: &&str| item.members().iter().find(|(found, _)| found == name);
                    names
                        .iter()
                        .map(|name| cell(name).map_or_else(|| Cell::new(""), |(_, node)| node.aligned()))
                        .collect()
                };
                let heading = names.iter().map(|name| words(name)).collect();
                write_table(Some(heading), items.iter().map(row).collect(), indent, width, out);
            }
            Self::Word(_) | Self::Number(_) => {
                write_table(None, vec![vec![Cell::new(self.text())]], indent, width, out)
            }
        }
    }

    fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            Self::Word(_) | Self::Number(_) | Self::List(_) => &[],
        }
    }

    fn fits_a_cell(&self) -> bool {
        match self {
            Self::Object(members) => members.is_empty(),
            Self::List(items) => !items.iter().any(|item| matches!(item, Self::Object(_))),
            Self::Word(_) | Self::Number(_) => true,
        }
    }

    fn aligned(&self) -> Cell {
        match self {
            Self::Number(text) => Cell::new(text).set_alignment(CellAlignment::Right),
            _ => Cell::new(self.text()),
        }
    }

    fn text(&self) -> String {
        let all = match self {
            Self::Word(text) => return printable(text),
            Self::Number(text) => return text.clone(),
            Self::List(items) => items.iter().map(Self::text).collect::<Vec<_>>().join(", "),
            Self::Object(members) => {
                let member = |(name, node): &(String, Self)| format!("{} {}", words(name), node.text());
                members.iter().map(member).collect::<Vec<_>>().join(", ")
            }
        };
        if all.is_empty() { "none".to_owned() } else { all }
    }
}

fn write_table(heading: Option<Vec<String>>, rows: Vec<Vec<Cell>>, indent: u16, width: Option<u16>, out: &mut String) {
    if rows.is_empty() {
        return;
    }
    if indent == 0 && !out.is_empty() {
        out.push('\n');
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).add_rows(rows);
    if let Some(heading) = heading {
        table.set_header(heading);
    }
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { indent } else { 0 }, GAP));
    }
    out.push_str(&table.trim_fmt());
    out.push('\n');
}

/// `camelCase` as words; any other name, such as a code or a segment, unchanged.
fn words(name: &str) -> String {
    if !name.starts_with(|first: char| first.is_ascii_lowercase())
        || !name.chars().all(|one| one.is_ascii_alphanumeric())
    {
        return printable(name);
    }
    let word =
        |one: char| if one.is_ascii_uppercase() { format!(" {}", one.to_ascii_lowercase()) } else { one.to_string() };
    name.chars().map(word).collect()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Word("none".to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Word(if value { "yes" } else { "no" }.to_owned()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(format!("{value:.3}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Word(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Node::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(report: &str, width: Option<u16>) -> String {
        let mut out = String::new();
        serde_json::from_str::<Node>(report).unwrap().render(0, width, &mut out);
        out
    }

    #[test]
    fn names_and_values_lists_and_members_become_tables_in_their_order() {
        let report = r#"{"usersChanged":1234,"isDone":true,"owner":null,"shares":[{"segment":"BUDGET","users":7},
            {"segment":"a\u001b[2J\n","users":1234,"rate":0.5}],"counts":{"items":3,"names":["a","b"]},"end":[]}"#;
        let expected = "\
users changed  1234
is done        yes
owner          none

shares
  segment       users  rate
  BUDGET            7
  a\\u{1b}[2J\\n   1234  0.500

counts
  items  3
  names  a, b

end  none
";
        assert_eq!(rendered(report, None), expected);
    }

    #[test]
    fn on_a_terminal_long_cells_are_wrapped_in_their_column() {
        let report = r#"{"topics":"there is very much more to read in this cell than one line of a terminal holds"}"#;
        let text = rendered(report, Some(60));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.chars().count() <= 60), "{text}");
        assert!(lines[1].starts_with("        ") && lines[1].ends_with("holds"), "{text}");
    }
}
