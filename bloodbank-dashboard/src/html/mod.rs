//! HTML: the frame of all pages, and the parts that they are made of.

mod layout;
mod parts;
mod text;

pub(crate) use layout::{Section, Shell, bare_refusal, page, plain_page, refusal};
pub(crate) use parts::{csrf_field, pages, search_form, sparkline, state_mark};
pub(crate) use text::{ago, clipped, count, documentation, duration, gap, json_block, rate};
