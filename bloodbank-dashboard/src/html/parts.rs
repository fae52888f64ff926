//! Parts of pages.

use bloodbank_core::app::HealthState;
use maud::{Markup, html};

use super::text::{count, rate};
use crate::visit::{CSRF, Visit, encoded};

/// The state of a program: a sign, a word and a colour.
pub(crate) fn state_mark(state: HealthState) -> Markup {
    let (class, sign, word) = match state {
        HealthState::Healthy => ("good", "●", "Healthy"),
        HealthState::Degraded => ("warn", "▲", "Degraded"),
        HealthState::Unhealthy => ("bad", "✕", "Not working"),
    };
    html! { span class=(format!("mark {class}")) { span aria-hidden="true" { (sign) " " } (word) } }
}

const SPARK_WIDTH: usize = 180;
const SPARK_HEIGHT: u64 = 36;
/// The number of places of a sparkline; fewer values stand at its right.
const SPARK_PLACES: usize = 60;

/// A line of the last values, which says in words what it shows.
pub(crate) fn sparkline(values: &[u64], seconds: u32, what: &str) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0);
    let label = format!("{what}, the last 15 minutes: at most {} a second", rate(most, seconds));
    let step = SPARK_WIDTH / SPARK_PLACES;
    let first = SPARK_PLACES.saturating_sub(values.len());
    let points: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let height = value * (SPARK_HEIGHT - 4) / most.max(1);
            format!("{},{}", (first + index) * step + step, SPARK_HEIGHT - 2 - height)
        })
        .collect();
    html! {
        svg.spark viewBox=(format!("0 0 {} {SPARK_HEIGHT}", SPARK_WIDTH + step)) preserveAspectRatio="none" role="img"
            aria-label=(label) {
            line.base x1="0" x2=(SPARK_WIDTH + step) y1=(SPARK_HEIGHT - 2) y2=(SPARK_HEIGHT - 2) {}
            @if values.len() > 1 { polyline points=(points.join(" ")) {} }
        }
    }
}

/// The field of a form that shows that this dashboard made it.
pub(crate) fn csrf_field(visit: &Visit) -> Markup {
    html! { input type="hidden" name=(CSRF) value=[visit.session.as_ref().map(|session| &session.csrf)]; }
}

/// A form that searches a page while one types; without JavaScript with its button.
pub(crate) fn search_form(visit: &Visit, label: &str) -> Markup {
    html! {
        form.search method="get" role="search" data-search {
            @if let Some(group) = visit.query("group") { input type="hidden" name="group" value=(group); }
            label.hidden for="search" { (label) }
            input #search type="search" name="q" value=[visit.query("q")] placeholder=(label) autocomplete="off"
                spellcheck="false" aria-keyshortcuts="/";
            button type="submit" { "Search" }
        }
    }
}

/// The links between the pages of a list with so many entries.
pub(crate) fn pages(visit: &Visit, total: usize, size: usize) -> Markup {
    let last = total.div_ceil(size).max(1);
    let here = visit.page_number().min(last);
    let link = |page: usize| {
        let kept = ["group", "q"].into_iter().filter_map(|name| Some((name, visit.query(name)?)));
        let kept: String = kept.map(|(name, value)| format!("{name}={}&", encoded(value))).collect();
        format!("?{kept}page={page}")
    };
    html! {
        @if last > 1 {
            nav.pages aria-label="Pages" {
                @if here > 1 { a rel="prev" href=(link(here - 1)) { "← Previous" } }
                span { "Page " (here) " of " (last) " · " (count(total as u64)) " in all" }
                @if here < last { a rel="next" href=(link(here + 1)) { "Next →" } }
            }
        }
    }
}
