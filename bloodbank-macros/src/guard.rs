//! What keeps two declarations of one routing key from being linked into one program.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// A static whose symbol is the sentence that the linker prints when it meets it twice.
///
/// It has no spaces and no braces: in a `cdylib` every such symbol stands in the linker's version script, whose grammar
/// has neither. `at` is where a second one in the same crate is reported.
pub(crate) fn two_events(key: &str, at: Span) -> TokenStream {
    let key = key.replace(['{', '}'], "_");
    let sentence = format!("two_events_have_the_routing_key::{key}::rename_one_of_them");
    // A span of the macro's own: the user's crate may forbid unsafe code, and this attribute is how the edition spells
    // that a symbol has a name.
    let at = Span::call_site().located_at(at);
    quote_spanned! {at=>
        #[used]
        #[unsafe(export_name = #sentence)]
        static __ONE_EVENT_PER_KEY: u8 = 0;
    }
}
