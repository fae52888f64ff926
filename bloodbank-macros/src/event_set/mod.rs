//! The derive macro `#[derive(EventSet)]`.

mod ast;
mod expand;
mod fallback;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::ctxt::Ctxt;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let set = ast::EventSet::read(&cx, input);
    let clean = cx.is_clean();
    let errors = cx.finish();
    if clean { expand::expand(&set) } else { fallback::expand(&set, &errors) }
}
