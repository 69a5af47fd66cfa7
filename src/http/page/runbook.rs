//! `GET /runbook`: the runbook of this version, to which the findings link. It is there in an incident, and it fits the program.

use std::sync::LazyLock;

use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html::push_html};

use super::{brand, frame};

const TEXT: &str = include_str!("../../../docs/runbook.md");

static PAGE: LazyLock<Markup> = LazyLock::new(|| {
    let main = html! { article.runbook { (PreEscaped(rendered(TEXT))) } };
    frame("segmenter: runbook", &brand(), &main, false)
});

pub(in crate::http) async fn runbook() -> Response {
    super::response(PAGE.clone())
}

/// HTML with an anchor at each heading. A link to another document is its text and the document's path.
fn rendered(markdown: &str) -> String {
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let mut rest = events.as_mut_slice();
    while let Some((event, after)) = rest.split_first_mut() {
        let document = match event {
            Event::Start(Tag::Heading { id, .. }) => {
                *id = Some(anchor(after).into());
                None
            }
            Event::Start(Tag::Link { dest_url, .. }) if !dest_url.starts_with('#') => Some(path(dest_url)),
            _ => None,
        };
        if let Some(path) = document {
            *event = Event::Text("".into());
            if let Some(end) = after.iter_mut().find(|event| matches!(event, Event::End(TagEnd::Link))) {
                *end = Event::Text(format!(" ({path})").into());
            }
        }
        rest = after;
    }
    let mut page = String::with_capacity(markdown.len() * 2);
    push_html(&mut page, events.into_iter());
    page
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(from: &[Event<'_>]) -> String {
    let text =
        from.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_)))).filter_map(
            |event| match event {
                Event::Text(text) | Event::Code(text) => Some(text.to_lowercase()),
                _ => None,
            },
        );
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    text.collect::<String>().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// The path in the tree of a document that the runbook links to.
fn path(link: &str) -> String {
    let file = link.split('#').next().unwrap_or(link);
    file.strip_prefix("../").map_or_else(|| format!("docs/{file}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_within_the_runbook_has_its_anchor_and_no_other_is_left() {
        let page = rendered(TEXT);
        let links: Vec<&str> = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.len() > 50, "{links:?}");
        for link in links {
            let anchor = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out of the page"));
            assert!(page.contains(&format!(" id=\"{anchor}\"")), "{link} has no heading");
        }
        assert!(!page.contains("<script") && !page.contains("<style"));
    }

    #[test]
    fn a_link_to_another_document_is_its_text_and_the_documents_path() {
        let page = rendered("[sizing](sizing.md#x), [k8s](../k8s/README.md), [here](#the-a)\n\n## The `A`\n");
        let expected = "<p>sizing (docs/sizing.md), k8s (k8s/README.md), <a href=\"#the-a\">here</a></p>\n<h2 id=\"the-a\">The \
                        <code>A</code></h2>\n";
        assert_eq!(page, expected);
    }
}
