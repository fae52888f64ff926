//! The frame of all pages: the navigation, who is signed in, and the keys.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bloodbank_gateway::Access;
use maud::{DOCTYPE, Markup, html};

use crate::{
    assets,
    refusal::Refusal,
    visit::{CSRF, Visit},
};

/// A section of the dashboard, as the navigation has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Events,
    Live,
    Trace,
    DeadLetters,
    Flow,
    Commands,
    History,
    Outbox,
    Api,
}

impl Section {
    const ALL: [Self; 10] = [
        Self::Overview,
        Self::Events,
        Self::Live,
        Self::Trace,
        Self::DeadLetters,
        Self::Flow,
        Self::Commands,
        Self::History,
        Self::Outbox,
        Self::Api,
    ];

    /// The name, the path, and the letter that leads there after `g`.
    fn link(self) -> (&'static str, &'static str, char) {
        match self {
            Self::Overview => ("Overview", "/dashboard", 'o'),
            Self::Events => ("Events", "/dashboard/events", 'e'),
            Self::Live => ("Live", "/dashboard/live", 'l'),
            Self::Trace => ("Trace", "/dashboard/trace", 't'),
            Self::DeadLetters => ("Dead letters", "/dashboard/dead-letters", 'd'),
            Self::Flow => ("Flow", "/dashboard/flow", 'f'),
            Self::Commands => ("Commands", "/dashboard/commands", 'c'),
            Self::History => ("History", "/dashboard/history", 'h'),
            Self::Outbox => ("Outbox", "/dashboard/outbox", 'b'),
            Self::Api => ("API", "/docs", 'a'),
        }
    }

    /// The access without which the section is not shown.
    fn access(self) -> Access {
        match self {
            Self::Overview | Self::Events | Self::Live | Self::Commands | Self::Api => Access::Token,
            Self::Trace | Self::DeadLetters | Self::Flow | Self::History | Self::Outbox => Access::ReadAll,
        }
    }
}

/// What the frame shows, apart from the page itself.
pub(crate) struct Shell {
    base: String,
    service: String,
    environment: String,
    sections: Vec<Section>,
    who: Option<String>,
    csrf: String,
}

impl Shell {
    pub(crate) fn of(visit: &Visit) -> Self {
        let bus = visit.bus();
        Self {
            base: visit.base.clone(),
            service: bus.service_name().to_owned(),
            environment: bus.settings().environment.clone(),
            sections: Section::ALL.into_iter().filter(|section| visit.may(section.access())).collect(),
            who: visit.caller().and_then(|caller| caller.name.as_deref()).map(str::to_owned),
            csrf: visit.session.as_ref().map(|session| session.csrf.clone()).unwrap_or_default(),
        }
    }

    fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn head(&self, title: &str) -> Markup {
        html! {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (self.service) " · Bloodbank" }
                link rel="icon" type="image/svg+xml" href=(self.link(&assets::path("icon.svg")));
                link rel="stylesheet" href=(self.link(&assets::path("dashboard.css")));
                script defer src=(self.link(&assets::path("dashboard.js"))) {}
            }
        }
    }

    fn brand(&self) -> Markup {
        html! {
            a.brand href=(self.link("/dashboard")) {
                img src=(self.link(&assets::path("icon.svg"))) alt="" width="22" height="22";
                span { b { "Bloodbank" } small { (self.service) " · " (self.environment) } }
            }
        }
    }

    fn navigation(&self, here: Option<Section>) -> Markup {
        html! {
            nav.main aria-label="Main" {
                ul {
                    @for section in &self.sections {
                        @let (name, path, key) = section.link();
                        li {
                            a href=(self.link(path)) data-key=(key) aria-current=[(here == Some(*section)).then_some("page")] {
                                span { (name) }
                                kbd aria-hidden="true" { "g " (key) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn account(&self) -> Markup {
        html! {
            @if let Some(who) = &self.who {
                form.account method="post" action=(self.link("/dashboard/sign-out")) {
                    input type="hidden" name=(CSRF) value=(self.csrf);
                    span { "Signed in as " b { (who) } }
                    button.quiet type="submit" { "Sign out" }
                }
            }
        }
    }

    fn keys(&self) -> Markup {
        html! {
            dialog #keys aria-labelledby="keys-title" {
                h2 #keys-title { "Keys" }
                dl.keys {
                    div { dt { kbd { "/" } } dd { "Search" } }
                    div { dt { kbd { "j" } " " kbd { "k" } } dd { "Next or previous row" } }
                    div { dt { kbd { "Enter" } } dd { "Open the row" } }
                    @for section in &self.sections {
                        @let (name, _, key) = section.link();
                        div { dt { kbd { "g" } " " kbd { (key) } } dd { (name) } }
                    }
                    div { dt { kbd { "?" } } dd { "This help" } }
                    div { dt { kbd { "Esc" } } dd { "Close" } }
                }
                form method="dialog" { button type="submit" { "Close" } }
            }
        }
    }

    fn framed(&self, title: &str, here: Option<Section>, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (self.head(title))
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.side {
                        (self.brand())
                        (self.navigation(here))
                        (self.account())
                    }
                    p.away #away role="status" hidden { "The gateway does not answer. The page is tried again, and shows the last it knew." }
                    main #main tabindex="-1" { (body) }
                    (self.keys())
                }
            }
        }
    }
}

/// A page of a section.
pub(crate) fn page(visit: &Visit, title: &str, here: Section, body: &Markup) -> Response {
    answer(&Shell::of(visit).framed(title, Some(here), body))
}

/// A page without navigation, for whoever has not signed in.
pub(crate) fn plain_page(visit: &Visit, title: &str, body: &Markup) -> Response {
    let shell = Shell::of(visit);
    answer(&html! {
        (DOCTYPE)
        html lang="en" {
            (shell.head(title))
            body.plain {
                main #main { (shell.brand()) (body) }
            }
        }
    })
}

/// A refusal as a page.
pub(crate) fn refusal(shell: &Shell, refusal: &Refusal) -> Response {
    let body = explained(refusal);
    (refusal.status, answer(&shell.framed(&refusal.title, None, &body))).into_response()
}

/// A refusal of a request that could not be read.
pub(crate) fn bare_refusal(refusal: &Refusal) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (refusal.title) " · Bloodbank" } }
            body { main { (explained(refusal)) } }
        }
    };
    (refusal.status, answer(&page)).into_response()
}

fn explained(refusal: &Refusal) -> Markup {
    html! {
        h1 { (refusal.title) }
        p.lead { (refusal.detail) }
    }
}

fn answer(page: &Markup) -> Response {
    let mut response = page.0.clone().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
