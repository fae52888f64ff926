//! The item under `#[command]`: `impl Command for AgentThreadPrompt { … }`.

use proc_macro2::{Span, TokenStream};
use syn::{Item, ItemImpl, PathArguments, spanned::Spanned};

use super::attr::CommandAttr;
use crate::ctxt::Ctxt;

pub(crate) struct Command {
    pub(crate) attr: CommandAttr,
    pub(crate) original: ItemImpl,
}

impl Command {
    /// Parses the item; `None` if it is not an `impl Command`.
    pub(crate) fn read(cx: &Ctxt, attr: CommandAttr, item: &TokenStream) -> Option<Self> {
        let what = match syn::parse2::<Item>(item.clone()) {
            Ok(Item::Impl(original)) => match &original.trait_ {
                Some((path, _)) if path.segments.last().is_some_and(|last| last.ident == "Command") => {
                    check(cx, &original);
                    return Some(Self { attr, original });
                }
                Some((path, _)) => path.span(),
                None => original.self_ty.span(),
            },
            Ok(Item::Struct(item)) => item.struct_token.span,
            Ok(Item::Enum(item)) => item.enum_token.span,
            Ok(Item::Fn(item)) => item.sig.fn_token.span,
            Ok(other) => other.span(),
            Err(error) => {
                cx.push(error);
                return None;
            }
        };
        cx.push(syn::Error::new(
            what,
            "`#[command]` stands above the executor; write `impl Command for TheCommand { … }`",
        ));
        None
    }

    /// The span of the trait's name, to which the executor is added.
    pub(crate) fn trait_span(&self) -> Span {
        self.original.trait_.as_ref().map_or_else(Span::call_site, |(path, _)| path.span())
    }
}

fn check(cx: &Ctxt, original: &ItemImpl) {
    if !original.generics.params.is_empty() {
        cx.error(&original.generics, "an executor is registered for one command; write its type without generics");
    }
    let arguments = original.trait_.iter().filter_map(|(path, _)| path.segments.last()).map(|last| &last.arguments);
    for arguments in arguments {
        if !matches!(arguments, PathArguments::None) {
            cx.error(arguments, "the executor is filled in by `#[command]`; write `impl Command for …`");
        }
    }
}
