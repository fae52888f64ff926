//! An implementation after a mistake, which lets the rest of the program compile.

use proc_macro2::TokenStream;
use quote::quote;

use super::ast::EventSet;

pub(crate) fn expand(set: &EventSet<'_>, errors: &TokenStream) -> TokenStream {
    let facade = &set.facade;
    let this = &set.original.ident;
    let (impl_generics, ty_generics, where_clause) = set.original.generics.split_for_impl();
    quote! {
        #errors
        const _: () = {
            use #facade::__private as __bb;
            impl #impl_generics __bb::Payload for #this #ty_generics #where_clause {
                const DECLARATIONS: &'static [&'static __bb::Declaration] = &[];
                fn decode(body: &[u8]) -> __bb::Result<__bb::EventEnvelope<Self>, __bb::Error> {
                    let raw = __bb::read_raw(body)?;
                    __bb::Result::Err(__bb::unexpected(&raw, &[]))
                }
            }
        };
    }
}
