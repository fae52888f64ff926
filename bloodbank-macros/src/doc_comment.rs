//! Doc comments of items.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The doc comment of an item as an expression of type `&'static str`.
pub(crate) fn doc_comment(attrs: &[Attribute]) -> TokenStream {
    let mut lines: Vec<Line<'_>> = attrs.iter().filter_map(Line::of).collect();
    unindent(&mut lines);
    if let Some(text) = as_text(&lines) {
        return quote!(#text);
    }
    let parts = lines.iter().enumerate().map(|(i, line)| {
        let newline = if i == 0 { "" } else { "\n" };
        match line {
            Line::Text(text) => quote!(#newline, #text),
            Line::Macro(expr) => quote!(#newline, #expr),
        }
    });
    quote!(::core::concat!(#(#parts),*))
}

enum Line<'a> {
    Text(String),
    /// A line from a macro, such as `#[doc = include_str!("…")]`.
    Macro(&'a Expr),
}

impl<'a> Line<'a> {
    fn of(attr: &'a Attribute) -> Option<Self> {
        match &attr.meta {
            Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(match &doc.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Self::Text(text.value()),
                expr => Self::Macro(expr),
            }),
            _ => None,
        }
    }
}

/// Removes the indentation that comment markers leave: `/// text` is the line ` text`, and `/** … */` is one text.
fn unindent(lines: &mut [Line<'_>]) {
    for line in lines {
        if let Line::Text(text) = line {
            let cleaned: Vec<_> = text
                .lines()
                .map(|line| {
                    let line = line.strip_prefix(" * ").or(line.strip_prefix(' ')).unwrap_or(line);
                    line.trim_end()
                })
                .collect();
            *text = cleaned.join("\n");
        }
    }
}

fn as_text(lines: &[Line<'_>]) -> Option<String> {
    let texts: Option<Vec<_>> = lines
        .iter()
        .map(|line| match line {
            Line::Text(text) => Some(text.as_str()),
            Line::Macro(_) => None,
        })
        .collect();
    Some(texts?.join("\n").trim().to_owned())
}
