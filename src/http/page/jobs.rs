//! The jobs: open ones with phase, progress, rate, the age of the checkpoint and the next commands; then the last to end.

use maud::{Markup, html};

use super::command;
use super::tables::{Table, bar, time};
use crate::codec::time::parse_rfc3339;
use crate::http::status::{JobStatus, Status};
use crate::runtime::human::{duration, percent, rate, whole};
use crate::runtime::wall_clock;

/// The jobs that have not ended, each with its commands.
pub(super) fn open(status: &Status) -> Markup {
    let open: Vec<&JobStatus> = status.jobs.iter().flatten().filter(|job| job.ended_at.is_none()).collect();
    html! {
        @if !open.is_empty() {
            section.card #jobs-part aria-labelledby="jobs" {
                h2 #jobs { "Open jobs " small { "of all processes" } }
                @for job in open { (article(job)) }
            }
        }
    }
}

fn article(job: &JobStatus) -> Markup {
    let title = format!("job-{}", job.id);
    html! {
        article.job #(format!("{title}-part")) aria-labelledby=(title) {
            h3 #(title) { (job.kind) " " span.muted { (job.state) } }
            p {
                @match job.progress() {
                    Some(share) => { strong { (percent(share)) } }
                    None => { "Of a newer version" }
                }
                @if let (Some(passed), Some(expected)) = (job.passed, job.expected) {
                    ": " (whole(passed as f64)) " of about " (whole(expected as f64))
                }
                @if job.items_per_second > 0.0 { ", " (rate(job.items_per_second)) " a second" }
                @if let Some(cause) = &job.held_by { span.warn { ", held up by " (cause) } }
            }
            (bar(job.progress().unwrap_or_default()))
            dl.facts {
                div { dt { "Phase" } dd { (job.phase) } }
                div { dt { "Checkpoint" } dd { (checkpoint(job)) } }
                div { dt { "Process" } dd { (job.owner.as_deref().unwrap_or("none yet")) } }
                div { dt { "Started" } dd { (time(&job.started_at)) } }
            }
            p.hidden #(format!("{title}-commands")) { "Commands for this job" }
            ul.commands aria-labelledby=(format!("{title}-commands")) { @for text in &job.commands { li { (command(text)) } } }
        }
    }
}

fn checkpoint(job: &JobStatus) -> Markup {
    let written = job.checkpoint_at.as_ref().and_then(|text| Some((text, parse_rfc3339(text)?)));
    html! {
        @match written {
            // The owner's clock may be ahead of ours.
            Some((text, at)) => {
                time datetime=(text) { (duration(((wall_clock::now().0 - at.0) as f64 / 1000.0).max(0.0).round())) " ago" }
            }
            None => { "none yet" }
        }
    }
}

/// The last jobs that ended.
pub(super) fn ended(status: &Status) -> Markup {
    let ended = status.jobs.iter().flatten().filter(|job| job.ended_at.is_some());
    let rows = ended.map(|job| {
        html! {
            tr {
                th scope="row" {
                    (job.kind) " " code { (job.id.to_string().chars().take(8).collect::<String>()) }
                    div.muted { (job.state) }
                }
                td { @if let Some(at) = &job.ended_at { (time(at)) } }
                td.number { (whole(job.counts.items as f64)) }
            }
        }
    });
    Table {
        id: "ended-jobs",
        title: "Ended jobs",
        note: "the last ones, of all processes",
        columns: &[("Job", false), ("Ended (UTC)", false), ("Items", true)],
        empty: if status.jobs.is_some() {
            "No job has ended."
        } else {
            "Unknown: the database does not answer, or the service's role may not read segmenter.jobs."
        },
        rows: rows.collect(),
    }
    .html()
}
