//! The attribute `#[bloodbank::replay("…")]`.

mod attr;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, parse2, spanned::Spanned};

pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let start = match parse2::<ItemFn>(item.clone()) {
        Ok(start) => start,
        Err(_) => {
            let error = syn::Error::new(item.span(), "`#[replay]` belongs on an async function that starts an app");
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    match attr::Options::read(options, &start) {
        Ok(options) => expand::expand(&options, &start),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#error #[allow(dead_code, reason = "the macro reported a mistake")] #start)
        }
    }
}
