//! A shared text that is allocated again only when it changes.

use std::sync::Arc;

/// The last text that was asked for, as one shared copy: the deliveries of a queue mostly have one exchange, one key and one
/// publisher.
#[derive(Default)]
pub(super) struct CachedText(Option<Arc<str>>);

impl CachedText {
    /// A shared copy of `text`.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *text => Arc::clone(last),
            Some(_) | None => Arc::clone(self.0.insert(text.into())),
        }
    }
}
