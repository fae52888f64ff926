//! The test that runs the app on the recording.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

use super::attr::Options;

pub(super) fn expand(options: &Options, start: &ItemFn) -> TokenStream {
    let Options { path, ignored, facade } = options;
    let name = &start.sig.ident;
    let attributes = &start.attrs;
    let function = ItemFn { attrs: Vec::new(), vis: syn::Visibility::Inherited, ..start.clone() };
    // The macro reads no file: the path is put together where the test is compiled, and read when it runs.
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() {
            #function
            #facade::testing::recorded::check(
                ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path),
                &[#(#ignored),*],
                #name,
            );
        }
    }
}
