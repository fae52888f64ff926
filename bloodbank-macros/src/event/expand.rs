//! Generation of the code for a declaration without mistakes.

use bloodbank_routing::{Segment, first_segment, is_template, template_segments};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{LitStr, spanned::Spanned};

use super::{
    ast::{Event, NamedField},
    attr::FieldNames,
    failure,
};
use crate::{
    doc_comment::doc_comment,
    guard,
    spans::{call_site_at, respan},
};

pub(crate) fn expand(event: &Event<'_>) -> TokenStream {
    let Some(key) = &event.attr.routing_key else {
        return TokenStream::new();
    };
    let facade = &event.attr.facade;
    let this = this(event);
    let declaration = declaration(event, key);
    let methods =
        [routing_key(event, key), unique_key(event), parents(event), validate(event), example(event), upcast(event)];
    let command = event.attr.command.is_some().then(|| command(event, &this));
    let failure = event.attr.failure.is_some().then(|| failure::expand(event, &this));
    let contradictions = superseded(event, &this);
    let guard = guard::two_events(&key.value(), key.span());
    quote! {
        const _: () = {
            use #facade::__private as __bb;
            impl __bb::Event for #this {
                const DECLARATION: __bb::Declaration = #declaration;
                #(#methods)*
            }
            #command
            #failure
            #contradictions
            __bb::inventory::submit! { __bb::EventDescriptor::of::<#this>() }
            #guard
        };
    }
}

/// The type that is the event.
pub(super) fn this(event: &Event<'_>) -> TokenStream {
    match &event.attr.concrete {
        Some(concrete) if event.is_generic() => concrete.to_token_stream(),
        _ => event.original.ident.to_token_stream(),
    }
}

fn declaration(event: &Event<'_>, key: &LitStr) -> TokenStream {
    let attr = &event.attr;
    let name = event.name();
    let text = key.value();
    let domain = match &attr.domain {
        Some(domain) => domain.value(),
        None => first_segment(&text).to_owned(),
    };
    // The place of the type's name, not of the derive.
    let here = quote_spanned!(event.original.ident.span()=> __bb::here!());
    let minimum = quote!(__bb::Declaration::new(#text, #domain, #name, #here));
    let docs = doc_comment(&event.original.attrs);
    let docs = (docs.to_string() != "\"\"").then(|| quote!(docs: #docs,));
    let kind = match (&attr.command, &attr.failure) {
        (Some(_), _) => Some(quote!(kind: __bb::EventKind::Command,)),
        (None, Some(_)) => Some(quote!(kind: __bb::EventKind::Failure,)),
        (None, None) => None,
    };
    let ids = field_names(event, attr.id.as_ref());
    let ids = (!ids.is_empty()).then(|| quote!(id_fields: &[#(#ids),*],));
    let causes = field_names(event, attr.caused_by.as_ref());
    let causes = (!causes.is_empty()).then(|| quote!(cause_fields: &[#(#causes),*],));
    let reply = attr.reply.as_ref().map(|_| quote!(reply: <Self as __bb::CommandEvent>::REPLY_KEY,));
    let supersedes = attr.supersedes.as_ref().map(|old| {
        quote! {
            supersedes: __bb::Option::Some(<#old as __bb::Older>::SUPERSEDED),
        }
    });
    let external = attr.external.then(|| quote!(external: true,));
    let validated = attr.validate.is_some().then(|| quote!(validated: true,));
    let more = quote!(#docs #kind #ids #causes #reply #supersedes #external #validated);
    if more.is_empty() {
        return minimum;
    }
    quote!(__bb::Declaration { #more ..#minimum })
}

/// The names in `id(…)` or `caused_by(…)`, sorted.
fn field_names(event: &Event<'_>, option: Option<&FieldNames>) -> Vec<String> {
    let names = option.into_iter().flat_map(|(_, names)| names);
    let mut names: Vec<_> = names.filter_map(|name| event.field(&name.to_string())).map(NamedField::name).collect();
    names.sort_unstable();
    names
}

/// The method that computes the key of a value, if the key has placeholders.
fn routing_key(event: &Event<'_>, key: &LitStr) -> Option<TokenStream> {
    let text = key.value();
    if !is_template(&text) {
        return None;
    }
    let mut names = Vec::new();
    let mut values = Vec::new();
    for segment in template_segments(&text) {
        let Segment::Placeholder(name) = segment else { continue };
        let field = event.field(name)?;
        if names.contains(&name) {
            continue;
        }
        let (ident, ty) = (field.ident, &field.original.ty);
        let span = call_site_at(ty.span());
        names.push(name);
        values.push(if event.is_generic() {
            quote_spanned!(span=> __bb::RoutingSegment::routing_segment(&self.#ident))
        } else {
            quote_spanned!(span=> <#ty as __bb::RoutingSegment>::routing_segment(&self.#ident))
        });
    }
    Some(quote! {
        fn routing_key(&self) -> __bb::Result<__bb::RoutingKey, __bb::Error> {
            __bb::fill_key(#text, |field, value| match field {
                #(#names => value.push_str(&#values),)*
                _ => {}
            })
        }
    })
}

fn unique_key(event: &Event<'_>) -> Option<TokenStream> {
    let (_, names) = event.attr.id.as_ref()?;
    let pairs = names.iter().filter_map(|name| {
        let field = event.field(&name.to_string())?;
        let (ident, ty, text) = (field.ident, &field.original.ty, field.name());
        // Reported where `id(…)` names the field: that is what can be changed.
        let span = call_site_at(name.span());
        Some(if event.is_generic() {
            quote_spanned!(span=> (#text, __bb::IdValue::id_value(&self.#ident)))
        } else {
            let ty = respan(ty, span);
            quote_spanned!(span=> (#text, <#ty as __bb::IdValue>::id_value(&self.#ident)))
        })
    });
    Some(quote! {
        fn unique_key(&self) -> __bb::Option<__bb::String> {
            __bb::Option::Some(__bb::unique_key([#(#pairs),*]))
        }
    })
}

/// The method that reads the ids of the causes out of the fields that `caused_by(…)` names.
fn parents(event: &Event<'_>) -> Option<TokenStream> {
    let (_, names) = event.attr.caused_by.as_ref()?;
    let ids = names.iter().filter_map(|name| {
        let field = event.field(&name.to_string())?;
        let (ident, span) = (field.ident, call_site_at(name.span()));
        Some(if event.is_generic() {
            quote_spanned!(span=> __bb::CauseId::cause_id(&self.#ident))
        } else {
            let ty = respan(&field.original.ty, span);
            quote_spanned!(span=> <#ty as __bb::CauseId>::cause_id(&self.#ident))
        })
    });
    Some(quote! {
        fn parents(&self) -> __bb::Vec<__bb::Uuid> {
            __bb::parents([#(#ids),*])
        }
    })
}

fn validate(event: &Event<'_>) -> Option<TokenStream> {
    let flag = event.attr.validate.as_ref()?;
    let validate = quote_spanned!(call_site_at(flag)=> __bb::Validated::check(self));
    Some(quote! {
        fn validate(&self) -> __bb::Result<(), __bb::Error> {
            #validate
        }
    })
}

fn example(event: &Event<'_>) -> Option<TokenStream> {
    let example = event.attr.example.as_ref()?;
    Some(quote! {
        fn example() -> __bb::Option<Self> {
            let example: Self = #example;
            __bb::Option::Some(example)
        }
    })
}

fn upcast(event: &Event<'_>) -> Option<TokenStream> {
    let old = event.attr.supersedes.as_ref()?;
    let convert = quote_spanned!(call_site_at(old)=> <Self as __bb::Supersedes<#old>>::from_older);
    Some(quote! {
        fn upcast(
            key: &str,
            payload: &str,
        ) -> __bb::Option<__bb::Result<Self, __bb::serde_json::Error>> {
            __bb::upcast(<#old as __bb::Older>::read(key, payload), #convert)
        }
    })
}

fn superseded(event: &Event<'_>, this: &TokenStream) -> Option<TokenStream> {
    let old = event.attr.supersedes.as_ref()?;
    let check = quote_spanned! {call_site_at(old)=>
        __bb::check_superseded(
            &<#this as __bb::Event>::DECLARATION,
            <#old as __bb::Older>::DECLARATION,
        )
    };
    Some(quote!(const _: () = #check;))
}

fn command(event: &Event<'_>, this: &TokenStream) -> TokenStream {
    let reply = match &event.attr.reply {
        Some(reply) => reply.to_token_stream(),
        None => quote!(()),
    };
    quote! {
        impl __bb::CommandEvent for #this {
            type Reply = #reply;
        }
    }
}
