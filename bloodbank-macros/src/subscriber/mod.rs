//! The attribute `#[subscriber]`.

mod ast;
mod attr;
mod expand;
mod fallback;

use proc_macro2::TokenStream;

use crate::ctxt::Ctxt;

pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let cx = Ctxt::new();
    let attr = attr::SubscriberAttr::read(&cx, options);
    let subscriber = ast::Subscriber::read(&cx, attr, &item);
    let clean = cx.is_clean();
    let errors = cx.finish();
    match subscriber {
        Some(subscriber) if clean => expand::expand(&subscriber),
        Some(subscriber) => fallback::expand(&subscriber, &errors),
        None => quote::quote!(#errors #item),
    }
}
