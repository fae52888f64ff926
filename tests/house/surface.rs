//! The public surface of the facade: every name, field, function and variant, as one line each.

use std::{collections::BTreeMap, path::Path};

use quote::ToTokens;
use syn::{Fields, ImplItem, Item, ReturnType, Signature, TraitItem, Type, Visibility};

use crate::{
    imports::{Found, resolve},
    modules::{self, Modules},
};

/// The crates that the facade hands on.
const CRATES: [&str; 8] = [
    "bloodbank_amqp",
    "bloodbank_core",
    "bloodbank_embedded",
    "bloodbank_macros",
    "bloodbank_routing",
    "bloodbank_sql",
    "bloodbank_telemetry",
    "bloodbank_testing",
];

/// What the facade exports, and the names that stand for a whole module.
pub(crate) struct Surface {
    pub(crate) lines: Vec<String>,
    pub(crate) whole_modules: Vec<String>,
}

pub(crate) fn of_facade() -> Surface {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates: BTreeMap<_, _> =
        CRATES.into_iter().map(|name| (name, modules::read(&root.join(name.replace('_', "-")).join("src")))).collect();
    let mut surface = Surface { lines: Vec::new(), whole_modules: Vec::new() };
    for (path, module) in &modules::read(&root.join("src")) {
        let place: String =
            ["bloodbank"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("::");
        for (name, target) in &module.used {
            let Some(modules) = crates.get(target[0].as_str()) else { continue };
            let public = format!("{place}::{name}");
            if target[1..] == ["__private"] {
                continue;
            }
            // The functions of a crate of macros are not seen by others.
            let macros = target[0] == "bloodbank_macros";
            match resolve(modules, &Vec::new(), &within(target), 0).filter(|_| !macros) {
                Some(Found::Item { module, name, .. }) => {
                    describe(modules, &module, &name, &public, &mut surface.lines)
                }
                Some(Found::Module(_)) => surface.whole_modules.push(public),
                // A macro, or what another crate than ours defines.
                None => surface.lines.push(public),
            }
        }
    }
    surface.lines.sort();
    surface.lines.dedup();
    surface
}

fn within(target: &[String]) -> Vec<String> {
    ["crate".to_owned()].into_iter().chain(target[1..].iter().cloned()).collect()
}

fn describe(modules: &Modules, module: &[String], name: &str, public: &str, lines: &mut Vec<String>) {
    let items = modules[module].items.iter();
    let found = items.filter(|item| modules::name(item).is_some_and(|known| known == name));
    for item in found {
        match item {
            Item::Struct(item) => {
                lines.push(format!("{public} struct{}{}", text(&item.generics), exhaustive(&item.attrs)));
                fields(&item.fields, public, lines);
            }
            Item::Enum(item) => {
                lines.push(format!("{public} enum{}{}", text(&item.generics), exhaustive(&item.attrs)));
                for variant in &item.variants {
                    lines.push(format!("{public}::{} variant{}", variant.ident, text(&variant.fields)));
                }
            }
            Item::Trait(item) => {
                lines.push(format!("{public} trait{}: {}", text(&item.generics), text(&item.supertraits)));
                for item in &item.items {
                    match item {
                        TraitItem::Fn(item) => {
                            let kind = if item.default.is_some() { "provided" } else { "required" };
                            lines.push(format!("{public}::{} {kind} {}", item.sig.ident, signature(&item.sig)));
                        }
                        TraitItem::Type(item) => lines.push(format!("{public}::{} type", item.ident)),
                        TraitItem::Const(item) => {
                            lines.push(format!("{public}::{} const {}", item.ident, text(&item.ty)))
                        }
                        _ => {}
                    }
                }
            }
            Item::Fn(item) => lines.push(format!("{public} {}", signature(&item.sig))),
            Item::Const(item) => lines.push(format!("{public} const {}", text(&item.ty))),
            Item::Type(item) => lines.push(format!("{public} type {}", text(&item.ty))),
            _ => lines.push(public.to_owned()),
        }
    }
    for item in modules.values().flat_map(|module| &module.items) {
        if let Item::Impl(block) = item
            && block.trait_.is_none()
            && let Type::Path(of) = &*block.self_ty
            && of.path.segments.last().is_some_and(|last| last.ident == name)
        {
            for item in &block.items {
                match item {
                    ImplItem::Fn(item) if is_public(&item.vis) => {
                        lines.push(format!("{public}::{} {}", item.sig.ident, signature(&item.sig)));
                    }
                    ImplItem::Const(item) if is_public(&item.vis) => {
                        lines.push(format!("{public}::{} const {}", item.ident, text(&item.ty)));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn fields(fields: &Fields, public: &str, lines: &mut Vec<String>) {
    for (place, field) in fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis)) {
        let name = field.ident.as_ref().map_or_else(|| place.to_string(), ToString::to_string);
        lines.push(format!("{public}.{name}: {}", text(&field.ty)));
    }
}

fn signature(signature: &Signature) -> String {
    let output = match &signature.output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, of) => format!(" -> {}", text(of)),
    };
    let inputs: Vec<_> = signature.inputs.iter().map(text).collect();
    let asynchronous = if signature.asyncness.is_some() { "async " } else { "" };
    format!("{asynchronous}fn{}({}){output}", text(&signature.generics), inputs.join(", "))
}

fn exhaustive(attributes: &[syn::Attribute]) -> &'static str {
    if attributes.iter().any(|attribute| attribute.path().is_ident("non_exhaustive")) {
        " (non-exhaustive)"
    } else {
        ""
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Tokens as one would write them, without documentation.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    while let Some(begin) = text.find("# [doc") {
        let Some(end) = text[begin..].find(']') else { break };
        text.replace_range(begin..=begin + end, "");
    }
    for (from, to) in [
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ::", "::"),
        (":: ", "::"),
        (" ,", ","),
        ("& ", "&"),
        (" :", ":"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("[ ", "["),
        (" ]", "]"),
        ("' ", "'"),
        ("{ ", "{ "),
        (",>", ">"),
        (" ;", ";"),
        ("- >", "->"),
    ] {
        text = text.replace(from, to);
    }
    text
}
