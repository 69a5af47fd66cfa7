//! Figures, the bars that they must meet, and the report: a table and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The bound that a figure must meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
        }
    }
}

struct Figure {
    section: String,
    name: String,
    unit: &'static str,
    /// One a round.
    values: Vec<f64>,
    bar: Option<Bar>,
}

impl Figure {
    fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }
}

/// All figures of a run, in the order in which they were first added.
#[derive(Default)]
pub struct Report {
    /// The machine, the servers' settings, and the sizes.
    pub setting: Vec<(String, String)>,
    figures: Vec<Figure>,
}

impl Report {
    /// A section to which figures can be added.
    pub fn section(&mut self, name: &str) -> Section<'_> {
        Section { report: self, name: name.to_owned() }
    }

    fn add(&mut self, section: &str, name: &str, unit: &'static str, value: f64) {
        let known = self.figures.iter_mut().find(|figure| figure.section == section && figure.name == name);
        match known {
            Some(figure) => figure.values.push(value),
            None => self.figures.push(Figure {
                section: section.to_owned(),
                name: name.to_owned(),
                unit,
                values: vec![value],
                bar: None,
            }),
        }
    }

    pub fn json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| {
            let bar = figure.bar.map(|bar| json!({"text": bar.text(), "met": bar.is_met(figure.median())}));
            json!({
                "section": figure.section, "name": figure.name, "unit": figure.unit, "median": figure.median(),
                "rounds": figure.values, "bar": bar,
            })
        });
        let setting: serde_json::Map<String, Value> =
            self.setting.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({"setting": setting, "figures": figures.collect::<Vec<_>>()})
    }

    /// The table, a line a figure: median, range over the rounds, bar.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for (name, value) in &self.setting {
            // Writing into a String cannot fail.
            let _ = writeln!(table, "{name:<34} {value}");
        }
        let _ = writeln!(table, "\n{:<44} {:>12} {:<10} {:<22} bar", "figure", "median", "unit", "least – most");
        let mut section = "";
        for figure in &self.figures {
            if figure.section != section {
                section = &figure.section;
                let _ = writeln!(table, "\n{section}");
            }
            let least = figure.values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = figure.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let range =
                if figure.values.len() > 1 { format!("{} – {}", number(least), number(most)) } else { String::new() };
            let bar = figure.bar.map_or(String::new(), |bar| {
                format!("{}  {}", bar.text(), if bar.is_met(figure.median()) { "met" } else { "NOT MET" })
            });
            let line =
                format!("  {:<42} {:>12} {:<10} {range:<22} {bar}", figure.name, number(figure.median()), figure.unit);
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }
}

/// One section of a report.
pub struct Section<'r> {
    report: &'r mut Report,
    name: String,
}

impl Section<'_> {
    /// One round's value of a figure.
    pub fn figure(&mut self, name: &str, unit: &'static str, value: f64) -> &mut Self {
        self.report.add(&self.name, name, unit, value);
        self
    }

    /// Sets the bar of a figure that was added before.
    pub fn hold(&mut self, name: &str, bar: Bar) -> &mut Self {
        let known = self.report.figures.iter_mut().find(|figure| figure.section == self.name && figure.name == name);
        known.expect("a bar is for a figure").bar = Some(bar);
        self
    }
}

/// At least three digits, with thousands separated.
fn number(value: f64) -> String {
    if value.abs() < 9.995 {
        return format!("{value:.2}");
    }
    if value.abs() < 99.95 {
        return format!("{value:.1}");
    }
    let whole = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 && digit != '-' {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
