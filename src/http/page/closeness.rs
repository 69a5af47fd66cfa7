//! Why a user is close to a segment, as a picture: for each segment, the user's dimensions beside the segment's centroid. The
//! area of the strokes between the two is what the score lacks to 1.

use maud::{Markup, html};

use super::tables::segment as name_of;
use crate::domain::scoring::{Catalog, Dimensions};
use crate::http::users::Named;

const WIDTH: f64 = 300.0;
const ROW: f64 = 20.0;
/// Where the scale from 0 to 1 begins and ends.
const LEFT: f64 = 92.0;
const RIGHT: f64 = 288.0;
/// The thickness of a stroke of the largest weight.
const THICK: f64 = 12.0;

/// A segment as it is drawn.
struct Drawn<'c> {
    segment: &'c str,
    score: f64,
    centroid: Dimensions,
}

/// One picture a segment, the closest first, and the same as a table. `ranked` are the user's segments, best first.
pub(super) fn section(dimensions: &[Named<'_>], scores: &[Named<'_>], ranked: &[&str], catalog: &Catalog) -> Markup {
    let draw = |score: &Named<'_>| {
        let segment = catalog.segments().find(|segment| &*segment.name == score.name)?;
        Some(Drawn { segment: &segment.name, score: score.value, centroid: segment.centroid })
    };
    let drawn: Vec<Drawn<'_>> = scores.iter().filter_map(draw).collect();
    html! {
        section.card #closeness-part aria-labelledby="closeness" {
            h2 #closeness { "Beside each segment " small { "the closest first; from 0 to 1" } }
            @if drawn.is_empty() {
                p.none { "Not onboarded." }
            } @else {
                p.legend {
                    span { (sample("user")) " the traveller" }
                    span { (sample("centroid")) " the segment's centroid" }
                    span { (sample("gap")) " the distance, as thick as the dimension's weight" }
                }
                div.pictures {
                    @for (place, one) in drawn.iter().enumerate() {
                        @let rank = ranked.iter().position(|name| *name == one.segment);
                        (picture(one, place, rank, dimensions, catalog))
                    }
                }
                (table(&drawn, dimensions))
            }
        }
    }
}

fn sample(of: &str) -> Markup {
    html! {
        svg viewBox="0 0 22 14" width="22" height="14" aria-hidden="true" {
            @match of {
                "user" => { circle.user cx="11" cy="7" r="5" {} }
                "centroid" => { line.centroid x1="11" x2="11" y1="0" y2="14" {} }
                _ => { rect.gap x="1" y="3" width="20" height="8" {} }
            }
        }
    }
}

fn picture(
    drawn: &Drawn<'_>,
    place: usize,
    rank: Option<usize>,
    dimensions: &[Named<'_>],
    catalog: &Catalog,
) -> Markup {
    let height = ROW * dimensions.len() as f64;
    let most = catalog.weights().iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let (title, text) = (format!("picture-{place}"), format!("picture-{place}-text"));
    let rows = dimensions.iter().zip(drawn.centroid.to_array()).zip(catalog.weights()).zip(0_u8..);
    html! {
        figure data-ranked[rank.is_some()] {
            figcaption {
                span { @if let Some(rank) = rank { b { (rank + 1) ". " } } (name_of(drawn.segment)) }
                span.score { (format!("{:.3}", drawn.score)) }
            }
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby=(format!("{title} {text}")) {
                title #(title) { (drawn.segment) ", closeness " (format!("{:.3}", drawn.score)) }
                desc #(text) { (in_words(drawn, dimensions)) }
                @for (((dimension, centroid), weight), place) in rows {
                    (row(dimension, centroid, weight / most, f64::from(place) * ROW + ROW / 2.0))
                }
            }
        }
    }
}

fn row(dimension: &Named<'_>, centroid: f64, weight: f64, y: f64) -> Markup {
    let x = |value: f64| LEFT + value.clamp(0.0, 1.0) * (RIGHT - LEFT);
    let coordinate = |value: f64| format!("{value:.1}");
    let (user, centroid) = (x(dimension.value), x(centroid));
    let thickness = weight * THICK;
    html! {
        text x="0" y=(coordinate(y + 4.0)) { (label(dimension.name)) }
        line.scale x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
        rect.gap x=(coordinate(user.min(centroid))) y=(coordinate(y - thickness / 2.0))
            width=(coordinate((user - centroid).abs())) height=(coordinate(thickness)) {}
        line.centroid x1=(coordinate(centroid)) x2=(coordinate(centroid)) y1=(coordinate(y - 7.0)) y2=(coordinate(y + 7.0)) {}
        circle.user cx=(coordinate(user)) cy=(y) r="4.5" {}
    }
}

fn label(dimension: &str) -> &str {
    if dimension == "businessMix" { "business mix" } else { dimension }
}

/// The dimension that is furthest away, for a screen reader.
fn in_words(drawn: &Drawn<'_>, dimensions: &[Named<'_>]) -> String {
    let distance = |(dimension, centroid): &(&Named<'_>, f64)| (dimension.value - centroid).abs();
    let pairs = dimensions.iter().zip(drawn.centroid.to_array());
    let furthest = pairs.max_by(|one, other| distance(one).total_cmp(&distance(other)));
    furthest.map_or_else(String::new, |(dimension, centroid)| {
        let (name, user) = (label(dimension.name), dimension.value);
        format!("The furthest dimension is {name}: the traveller has {user:.2}, the centroid {centroid:.2}.")
    })
}

/// The numbers of the pictures.
fn table(drawn: &[Drawn<'_>], dimensions: &[Named<'_>]) -> Markup {
    let two = |value: f64| format!("{value:.2}");
    html! {
        details {
            summary { "The same as a table" }
            div.scroll tabindex="0" role="region" aria-label="Table of dimensions and centroids" {
                table {
                    caption.hidden { "The traveller's dimensions, and each segment's centroid with its closeness" }
                    thead {
                        tr {
                            th scope="col" { "Segment" }
                            @for name in Dimensions::NAMES { th.number scope="col" { (label(name)) } }
                            th.number scope="col" { "closeness" }
                        }
                    }
                    tbody {
                        tr {
                            th scope="row" { b { "the traveller" } }
                            @for dimension in dimensions { td.number { b { (two(dimension.value)) } } }
                            td.number { "–" }
                        }
                        @for one in drawn {
                            tr {
                                th scope="row" { (name_of(one.segment)) }
                                @for centroid in one.centroid.to_array() { td.number { (two(centroid)) } }
                                td.number { (format!("{:.3}", one.score)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
