//! What every page has: head, header, landmarks.

use maud::{DOCTYPE, Markup, html};

/// A page around `main`. With `live` the script keeps its numbers new. Addresses are relative, so that it also works behind
/// `kubectl proxy` and the like.
pub(super) fn frame(title: &str, header: &Markup, main: &Markup, live: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" type="image/svg+xml" href="assets/icon.svg";
                link rel="stylesheet" href="assets/page.css";
                @if live { script src="assets/page.js" defer {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top { (header) }
                main #main tabindex="-1" { (main) }
                footer {
                    nav aria-label="For programs" {
                        a href="api/status" { "Status as JSON" }
                        a href="metrics" { "Metrics" }
                        a href="health" { "Health" }
                        a href="v1/segments" { "Catalog" }
                    }
                }
            }
        }
    }
}

/// The name of the program, which leads to the overview.
pub(super) fn brand() -> Markup {
    html! {
        a.brand href="./" {
            svg.mark viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
                rect x="2" y="13" width="5" height="9" rx="1.5" {}
                rect x="9.5" y="8" width="5" height="14" rx="1.5" {}
                rect x="17" y="2" width="5" height="20" rx="1.5" {}
            }
            "segmenter"
        }
    }
}
