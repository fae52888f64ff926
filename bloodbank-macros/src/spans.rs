//! Where generated code is reported.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;

/// The place of the user's tokens, for code of ours: names resolve and lints apply as in code that a macro wrote.
pub(crate) fn ours_at(at: impl Spanned) -> Span {
    Span::call_site().located_at(at.span())
}

/// The same tokens, reported elsewhere.
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
