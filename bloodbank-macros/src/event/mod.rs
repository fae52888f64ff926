//! The derive macro `#[derive(Event)]`.

mod ast;
mod attr;
mod check;
mod expand;
mod failure;
mod fallback;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::ctxt::Ctxt;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let event = ast::Event::read(&cx, input);
    check::check(&cx, &event);
    let clean = cx.is_clean();
    let errors = cx.finish();
    if clean { expand::expand(&event) } else { fallback::expand(&event, &errors) }
}
