//! Spans of generated code: the places at which its mistakes are reported.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;

/// The location of the user's tokens for generated code: names resolve and lints apply as at the macro's call site.
pub(crate) fn call_site_at(at: impl Spanned) -> Span {
    Span::call_site().located_at(at.span())
}

/// The same tokens with another location.
pub(crate) fn respan(tokens: impl ToTokens, at: Span) -> TokenStream {
    let respan_one = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), respan(group.stream(), at)).into();
        }
        token.set_span(token.span().located_at(at));
        token
    };
    tokens.into_token_stream().into_iter().map(respan_one).collect()
}
