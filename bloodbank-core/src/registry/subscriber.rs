//! Descriptors of subscribers.

use std::sync::Arc;

use super::SubscriberOptions;
use crate::{
    event::{Declaration, Location},
    routing::{matches, template_to_pattern},
};

/// The descriptor of a function with `#[subscriber]`, known at compile time and listed in the registry.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberDescriptor {
    /// The name of the function.
    pub name: &'static str,
    /// The doc comment of the function.
    pub docs: &'static str,
    /// The location of the function in source code.
    pub location: Location,
    /// The options of the attribute.
    pub options: SubscriberOptions,
    /// The events that the subscriber receives.
    pub inputs: fn() -> Vec<&'static Declaration>,
    /// The events that the subscriber may publish by returning them.
    pub outputs: fn() -> Vec<&'static Declaration>,
}

inventory::collect!(SubscriberDescriptor);

impl SubscriberDescriptor {
    /// The queue of the subscriber in the app `service`.
    #[must_use]
    pub fn queue(&self, service: &str) -> Arc<str> {
        self.options.queue.map_or_else(|| format!("{service}.{}", self.name).into(), Into::into)
    }

    /// The binding patterns of the queue: the declared pattern or the keys, and the keys of older versions. None for a queue
    /// that others make.
    #[must_use]
    pub fn patterns(&self) -> Vec<Arc<str>> {
        if self.options.foreign {
            return Vec::new();
        }
        let explicit = self.options.pattern;
        let mut patterns: Vec<Arc<str>> = explicit.map(Into::into).into_iter().collect();
        for declaration in (self.inputs)() {
            let keys = declaration.received_keys().skip(usize::from(explicit.is_some()));
            for pattern in keys.map(template_to_pattern) {
                if !patterns.iter().any(|known| matches(known, &pattern)) {
                    patterns.push(pattern.into());
                }
            }
        }
        patterns
    }
}
