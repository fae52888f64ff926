//! Generation of the code for an enum of words.

use proc_macro2::TokenStream;
use quote::quote;

use super::ast::Segment;

/// Generates the implementations, even after mistakes, so that one mistake gives one message.
pub(crate) fn expand(segment: &Segment<'_>, errors: &TokenStream) -> TokenStream {
    let facade = &segment.facade;
    let name = &segment.original.ident;
    let (impl_generics, ty_generics, where_clause) = segment.original.generics.split_for_impl();
    let variants = segment.words.iter().map(|(variant, _)| variant);
    let words = segment.words.iter().map(|(_, word)| word);
    let text = if segment.words.is_empty() {
        // An enum without variants has no values; another type has been refused.
        quote!("")
    } else {
        quote!(match self { #(Self::#variants { .. } => #words,)* })
    };
    quote! {
        #errors
        const _: () = {
            use #facade::__private as __bb;
            impl #impl_generics __bb::RoutingSegment for #name #ty_generics #where_clause {
                fn routing_segment(&self) -> __bb::Cow<'_, str> {
                    __bb::Cow::Borrowed(#text)
                }
            }
            impl #impl_generics __bb::IdValue for #name #ty_generics #where_clause {
                fn id_value(&self) -> __bb::Option<__bb::Cow<'_, str>> {
                    __bb::Option::Some(__bb::RoutingSegment::routing_segment(self))
                }
            }
        };
    }
}
