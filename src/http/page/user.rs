//! `GET /users?id=…`: one user, with the explanation of the segments. Served only where `http.user_page` is set, with the
//! access of the read API.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::tables::{bar, segment, time};
use super::{brand, closeness, frame};
use crate::domain::scoring::Catalog;
use crate::http::users::{self, UserReport};
use crate::http::{Pages, Problem};

/// A browser asks for a name, which does not matter, and a password, which is the token.
const ASK: HeaderValue =
    HeaderValue::from_static("Basic realm=\"segmenter: any name, the token as password\", charset=\"UTF-8\"");

#[derive(Deserialize)]
pub(in crate::http) struct Wanted {
    #[serde(default)]
    id: String,
}

pub(in crate::http) async fn look_up(
    State(pages): State<Pages>,
    Query(wanted): Query<Wanted>,
    request: HeaderMap,
) -> Response {
    if let Err(problem) = pages.access.check(&request) {
        let is_token_missing = problem.status == StatusCode::UNAUTHORIZED;
        let mut refused = problem.into_response();
        if is_token_missing {
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, ASK);
        }
        return refused;
    }
    let id = wanted.id.trim();
    if id.is_empty() {
        return page(id, &html! { p.muted { "The id is the platform's user id." } });
    }
    match explained(&pages, id).await {
        Ok(found) => page(id, &found),
        Err(problem) => {
            let content = html! { p.state data-state="warn" role="status" { strong { "Nothing to show: " (problem.detail) "." } } };
            (problem.status, page(id, &content)).into_response()
        }
    }
}

async fn explained(pages: &Pages, id: &str) -> Result<Markup, Problem> {
    let store = pages.store()?;
    let found = users::find(store, id).await?;
    Ok(report(&users::report(&found, &store.catalog), &store.catalog))
}

fn page(id: &str, found: &Markup) -> Response {
    let main = html! {
        h1 { "Look up a user" }
        (form(id))
        (found)
    };
    super::response(frame("segmenter: user", &brand(), &main, false))
}

/// The field and the button.
pub(super) fn form(id: &str) -> Markup {
    html! {
        section.card #user-part aria-labelledby="user-form" {
            form.lookup action="users" method="get" role="search" {
                label #user-form for="id" { "User id" }
                input #id name="id" value=(id) autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="191" required;
                button { "Explain" }
            }
        }
    }
}

fn report(of: &UserReport<'_>, catalog: &Catalog) -> Markup {
    let ranked: Vec<&str> = of.segments.iter().map(|assignment| &*assignment.segment).collect();
    html! {
        div.columns {
            (assigned(of))
            (facts(of))
        }
        (closeness::section(&of.dimensions, &of.scores, &ranked, catalog))
        (sections(of))
    }
}

fn assigned(of: &UserReport<'_>) -> Markup {
    html! {
        section.card aria-labelledby="assigned" {
            h2 #assigned { "Segments " small { "best first" } }
            @if of.segments.is_empty() { p.none { "None: not onboarded, or no segment is close enough." } }
            ol.assigned {
                @for assignment in &of.segments {
                    li {
                        p { strong { (segment(&assignment.segment)) } span.score { (format!("{:.3}", assignment.score)) } }
                        (bar(assignment.score))
                        ul { @for reason in &assignment.reasons { li { (reason.text) " " code { (reason.code) } } } }
                    }
                }
            }
        }
    }
}

fn facts(of: &UserReport<'_>) -> Markup {
    let moment = |moment: &Option<String>| html! { @match moment { Some(text) => { (time(text)) } None => { "–" } } };
    let published = of.last_published.as_ref();
    let facts = [
        ("User", html! { (of.user_id) }),
        ("Onboarded", moment(&of.onboarded_at)),
        ("Erased", moment(&of.erased_at)),
        ("As of", moment(&of.logical_time)),
        ("Scored with catalog", html! { (of.catalog_version) }),
        ("Last published", moment(&published.map(|published| published.published_at.clone()))),
        ("Revision", html! { @match published { Some(published) => { (published.revision) } None => { "–" } } }),
        ("Trigger", html! { (published.and_then(|published| published.trigger).unwrap_or("–")) }),
    ];
    html! {
        section.card aria-labelledby="facts" {
            h2 #facts { "Stored data" }
            dl.pairs { @for (name, value) in &facts { div { dt { (name) } dd { (value) } } } }
        }
    }
}

fn sections(of: &UserReport<'_>) -> Markup {
    html! {
        section.card aria-labelledby="sections" {
            h2 #sections { "Sections " small { "time (UTC) and event of the last write" } }
            table.stack {
                caption.hidden { "Sections" }
                thead { tr { th scope="col" { "Section" } th scope="col" { "Written" } th scope="col" { "Event" } } }
                tbody {
                    @for section in &of.sections {
                        tr {
                            th scope="row" { (section.section) }
                            td { (time(&section.written_at)) }
                            td { code { (section.event_id) } }
                        }
                    }
                    @if of.sections.is_empty() { tr { td.none colspan="3" { "None." } } }
                }
            }
        }
    }
}
