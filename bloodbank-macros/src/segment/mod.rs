//! The derive macro `#[derive(RoutingSegment)]`.

mod ast;
mod expand;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::ctxt::Ctxt;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let segment = ast::Segment::read(&cx, input);
    let errors = cx.finish();
    expand::expand(&segment, &errors)
}
