//! The routing keys of a bus, each stored once.

use std::{collections::HashSet, sync::Arc};

use parking_lot::RwLock;

/// The largest number of stored keys: keys with placeholders are unbounded in number.
const KEPT: usize = 4096;

/// The shared routing keys of a bus. An event's key outlives the event in receipts and in the correlation index; a copy
/// in each of them would leave a small hole in the heap per event.
#[derive(Default)]
pub(super) struct Keys(RwLock<HashSet<Arc<str>>>);

impl Keys {
    pub(super) fn share(&self, key: &str) -> Arc<str> {
        if let Some(known) = self.0.read().get(key) {
            return Arc::clone(known);
        }
        let new: Arc<str> = key.into();
        let mut keys = self.0.write();
        if keys.len() < KEPT {
            keys.insert(Arc::clone(&new));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_once() {
        let keys = Keys::default();
        let first = keys.share("orders.order.placed");
        assert!(Arc::ptr_eq(&first, &keys.share("orders.order.placed")));
        assert_eq!(&*keys.share("orders.order.shipped"), "orders.order.shipped");
    }

    #[test]
    fn keys_without_number_do_not_pile_up() {
        let keys = Keys::default();
        for number in 0..2 * KEPT {
            assert_eq!(*keys.share(&number.to_string()), *number.to_string());
        }
        assert_eq!(keys.0.read().len(), KEPT);
    }
}
