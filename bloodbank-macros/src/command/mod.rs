//! The attribute `#[command]`.

mod ast;
mod attr;
mod expand;

use proc_macro2::TokenStream;

use crate::ctxt::Ctxt;

pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let cx = Ctxt::new();
    let attr = attr::CommandAttr::read(&cx, options);
    let command = ast::Command::read(&cx, attr, &item);
    let clean = cx.is_clean();
    let errors = cx.finish();
    match command {
        Some(command) => expand::expand(&command, clean, &errors),
        None => quote::quote!(#errors #item),
    }
}
