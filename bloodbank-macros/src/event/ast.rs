//! The declaration of an event: the attribute and the type under it.

use syn::{Data, DeriveInput, Field, Fields, Ident, ext::IdentExt};

use super::attr::EventAttr;
use crate::ctxt::Ctxt;

pub(crate) struct Event<'a> {
    pub(crate) original: &'a DeriveInput,
    pub(crate) attr: EventAttr,
    pub(crate) fields: Vec<NamedField<'a>>,
}

/// A field with a name, to which keys, ids and failures can refer.
pub(crate) struct NamedField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) original: &'a Field,
}

impl<'a> Event<'a> {
    pub(crate) fn read(cx: &Ctxt, original: &'a DeriveInput) -> Self {
        let fields = match &original.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) => fields.named.iter().filter_map(NamedField::of).collect(),
                Fields::Unnamed(_) | Fields::Unit => Vec::new(),
            },
            Data::Enum(_) | Data::Union(_) => Vec::new(),
        };
        Self { original, attr: EventAttr::read(cx, &original.attrs), fields }
    }

    pub(crate) fn name(&self) -> String {
        self.original.ident.unraw().to_string()
    }

    /// Finds the field of a name; `type` finds `r#type`.
    pub(crate) fn field(&self, name: &str) -> Option<&NamedField<'a>> {
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.fields.iter().find(|field| field.name() == name)
    }

    pub(crate) fn is_generic(&self) -> bool {
        !self.original.generics.params.is_empty()
    }
}

impl<'a> NamedField<'a> {
    fn of(original: &'a Field) -> Option<Self> {
        let ident = original.ident.as_ref()?;
        Some(Self { ident, original })
    }

    /// The name of the field without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}
