//! Symbols that keep two declarations of one routing key, and two executors of one command, from being linked into one program.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

/// Generates a static whose symbol is the sentence that the linker prints when two events have one routing key.
///
/// The symbol has no spaces and no braces: in a `cdylib` every such symbol is listed in the linker's version script, whose
/// grammar has neither. `at` is the place at which a second event in the same crate is reported.
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

/// Generates a symbol that the linker refuses twice: a sentence about two executors of one command, and a number that stands for
/// the key of the command.
///
/// Only the type knows its key, and `export_name` takes no constant; assembly does, as a number. `command` is the type of the
/// command, `name` its name in the user's crate.
pub(crate) fn one_executor(command: &TokenStream, name: &Ident) -> TokenStream {
    let name = name.to_string();
    let sentence =
        format!("two_executors_of_the_command::{}::remove_one_of_them::{{0}}", name.trim_start_matches("r#"));
    let (global, label) = (format!(".globl \"{sentence}\""), format!("\"{sentence}\":"));
    quote! {
        // Where functions can be naked in every Rust that compiles this.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        const _: () = {
            #[unsafe(naked)]
            extern "C" fn __one() {
                ::core::arch::naked_asm!(#global, #label, const __bb::number_of_key::<#command>())
            }
            #[used]
            static __ONE_EXECUTOR: extern "C" fn() = __one;
        };
    }
}
