//! The drawings of the page, as inline SVG: bars, the flow diagram, the histogram of margins.

use maud::{Markup, html};

use super::report::{Flow, Report};
use crate::runtime::human::{percent, whole};

/// In units of the drawings; a page scales them.
const WIDTH: f64 = 960.0;
/// The number of colours; further segments repeat them.
const HUES: usize = 10;

/// The class of a segment's colour, by its place in the distribution.
pub(super) fn hue(segment: Option<&str>, report: &Report) -> &'static str {
    const CLASSES: [&str; HUES] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
    let place = report.distribution.iter().position(|share| share.segment.as_deref() == segment);
    let class = place.filter(|_| segment.is_some()).and_then(|place| CLASSES.get(place % HUES));
    class.copied().unwrap_or("without")
}

/// A bar as long as `part` of `whole`.
pub(super) fn bar(part: u64, whole: u64, class: &str) -> Markup {
    let width = if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
    html! {
        svg.bar aria-hidden="true" {
            rect.track width="100%" height="100%" rx="3" {}
            rect class=(class) width=(format!("{width:.2}%")) height="100%" rx="3" {}
        }
    }
}

/// A segment in one of the two columns of the flow diagram.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    top: f64,
    height: f64,
    /// How much of the height is taken by bands drawn so far.
    taken: f64,
}

impl Node {
    /// Takes the next `height`; returns where it begins.
    fn take(&mut self, height: f64) -> f64 {
        let begin = self.top + self.taken;
        self.taken += height;
        begin
    }
}

const NODE: f64 = 12.0;
/// The room for the names beside a column.
const NAMES: f64 = 240.0;
const LEFT: f64 = NAMES + NODE;
const RIGHT: f64 = WIDTH - LEFT;
/// The height of all users, and the space between two segments: enough for the lines of their names.
const ALL: f64 = 380.0;
const GAP: f64 = 18.0;

/// The segments of one column from the top down; one without users takes no room.
fn column(counts: impl Iterator<Item = u64>, users: u64) -> Vec<Node> {
    let mut top = GAP / 2.0;
    let node = |count: u64| {
        let node = Node { top, height: ALL * count as f64 / users as f64, taken: 0.0 };
        top += if count > 0 { node.height + GAP } else { 0.0 };
        node
    };
    counts.map(node).collect()
}

/// Bands from the primary segments before to those after.
pub(super) fn flows(report: &Report) -> Markup {
    let shares = &report.distribution;
    let mut before = column(shares.iter().map(|share| share.before), report.users);
    let mut after = column(shares.iter().map(|share| share.after), report.users);
    let bottom = |nodes: &[Node]| nodes.iter().map(|node| node.top + node.height).fold(0.0, f64::max);
    let height = bottom(&before).max(bottom(&after)) + GAP / 2.0;
    let place = |segment: &Option<_>| shares.iter().position(|share| share.segment == *segment).unwrap_or(0);
    let mut bands: Vec<(usize, usize, &Flow)> =
        report.flows.iter().map(|flow| (place(&flow.from), place(&flow.to), flow)).collect();
    // In the order of the other side bands leave and arrive without crossing at the segment itself.
    bands.sort_by_key(|(from, to, _)| (*from, *to));
    let mut drawn: Vec<(f64, f64, f64, &Flow)> = Vec::new();
    for (from, to, flow) in bands {
        let height = ALL * flow.users as f64 / report.users as f64;
        if let (Some(from), Some(to)) = (before.get_mut(from), after.get_mut(to)) {
            drawn.push((from.take(height), to.take(height), height, flow));
        }
    }
    // Those that move lie above those that stay, small ones above great ones.
    drawn.sort_by(|(.., one), (.., other)| (one.moves(), other.users).cmp(&(other.moves(), one.users)));
    html! {
        svg.flows viewBox=(format!("0 0 {WIDTH} {height:.1}")) role="img" aria-label="Flows of users between primary segments; the table below has the numbers" {
            @for (from, to, height, flow) in drawn { (band(from, to, height, flow, report)) }
            @for ((share, before), after) in shares.iter().zip(&before).zip(&after) {
                @let segment = share.segment.as_deref();
                @if share.before > 0 { (node(segment, before, share.before_percent, true, report)) }
                @if share.after > 0 { (node(segment, after, share.after_percent, false, report)) }
            }
        }
    }
}

fn band(from: f64, to: f64, height: f64, flow: &Flow, report: &Report) -> Markup {
    let middle = WIDTH / 2.0;
    let (from_end, to_end) = (from + height, to + height);
    let path = format!(
        "M{LEFT} {from:.2}C{middle} {from:.2} {middle} {to:.2} {RIGHT} {to:.2}V{to_end:.2}\
         C{middle} {to_end:.2} {middle} {from_end:.2} {LEFT} {from_end:.2}Z"
    );
    let class =
        if flow.moves() { format!("band {}", hue(flow.from.as_deref(), report)) } else { "band stays".to_owned() };
    let [from, to] = [&flow.from, &flow.to].map(|segment| segment.as_deref().unwrap_or("none"));
    let (users, share) = (whole(flow.users as f64), percent(flow.percent / 100.0));
    html! { path class=(class) d=(path) { title { (from) " → " (to) ": " (users) " users, " (share) } } }
}

fn node(segment: Option<&str>, node: &Node, share: f64, is_left: bool, report: &Report) -> Markup {
    let (x, label, anchor) = if is_left { (NAMES, NAMES - 8.0, "end") } else { (RIGHT, RIGHT + NODE + 8.0, "start") };
    let middle = node.top + node.height / 2.0;
    html! {
        rect class=(hue(segment, report)) x=(x) y=(format!("{:.2}", node.top)) width=(NODE) height=(format!("{:.2}", node.height.max(1.0))) rx="2" {}
        text x=(label) y=(format!("{middle:.2}")) dy="0.35em" text-anchor=(anchor) {
            tspan.label { (segment.unwrap_or("none")) } " " tspan.amount { (percent(share / 100.0)) }
        }
    }
}

const PLOT: f64 = 200.0;
const AXIS: f64 = 56.0;

/// Users by margin, before and after, in percent of those with a primary segment.
pub(super) fn margins(report: &Report) -> Markup {
    let (sure_before, sure_after) = report.sure();
    let part = |count: u64, all: u64| if all == 0 { 0.0 } else { count as f64 / all as f64 };
    let bins: Vec<(f64, f64, f64)> = report
        .margins
        .iter()
        .map(|bin| (bin.from, part(bin.before, sure_before), part(bin.after, sure_after)))
        .collect();
    let greatest = bins.iter().map(|(_, before, after)| before.max(*after)).fold(0.01, f64::max);
    let step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25].into_iter().find(|step| greatest / step <= 5.0).unwrap_or(0.5);
    let top = (greatest / step).ceil() * step;
    let y = |share: f64| 12.0 + PLOT * (1.0 - share / top);
    // A cast of a float saturates.
    let lines = (0..=(top / step).round() as u32).map(|line| f64::from(line) * step);
    let width = (WIDTH - AXIS) / bins.len().max(1) as f64;
    let column = |x: f64, share: f64, class: &str, title: String| {
        html! {
            rect class=(class) x=(format!("{x:.1}")) y=(format!("{:.2}", y(share))) width=(format!("{:.1}", width * 0.36)) height=(format!("{:.2}", PLOT + 12.0 - y(share))) rx="2" {
                title { (title) }
            }
        }
    };
    let last = bins.len().saturating_sub(1);
    html! {
        svg.margins viewBox=(format!("0 0 {WIDTH} {}", PLOT + 56.0)) role="img" aria-label="Users by the margin of their primary segment" {
            @for line in lines {
                line.grid x1=(AXIS) x2=(WIDTH) y1=(format!("{:.2}", y(line))) y2=(format!("{:.2}", y(line))) {}
                text.amount x=(AXIS - 8.0) y=(format!("{:.2}", y(line))) dy="0.35em" text-anchor="end" { (format!("{:.0}\u{a0}%", line * 100.0)) }
            }
            @for (place, (from, before, after)) in bins.iter().enumerate() {
                @let x = AXIS + width * place as f64;
                @let label = if place == last { format!("≥ {from:.2}") } else { format!("{from:.2}") };
                (column(x + width * 0.13, *before, "before", format!("{label}, before: {}", percent(*before))))
                (column(x + width * 0.51, *after, "accent", format!("{label}, after: {}", percent(*after))))
                text.amount x=(format!("{:.1}", x + width / 2.0)) y=(PLOT + 30.0) text-anchor="middle" { (label) }
            }
            g transform=(format!("translate({AXIS} {})", PLOT + 44.0)) {
                rect.before width="11" height="11" rx="2" {}
                text x="17" y="6" dy="0.35em" { "before" }
                rect.accent x="80" width="11" height="11" rx="2" {}
                text x="97" y="6" dy="0.35em" { "after" }
            }
        }
    }
}
