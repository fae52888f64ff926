use std::sync::Arc;

/// Hands out one shared copy as long as the text stays the same: the deliveries of a queue mostly have one exchange,
/// one key and one publisher.
#[derive(Default)]
pub(super) struct Interned(Option<Arc<str>>);

impl Interned {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *text => Arc::clone(last),
            Some(_) | None => Arc::clone(self.0.insert(text.into())),
        }
    }
}
