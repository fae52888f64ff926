//! Properties of a [`DirectLinkStore`], beside those of every [`LinkStore`](bloodbank_core::store::LinkStore).

use std::collections::HashSet;

use super::{
    StoreFixture,
    links::{children, entry, ids, link},
    open, reopen,
};
use bloodbank_core::store::DirectLinkStore;

type Fixture = dyn StoreFixture<dyn DirectLinkStore>;

/// Whoever asks after a link was inserted sees it, without flushing.
pub async fn shows_an_inserted_link_at_once(fixture: &Fixture) {
    let store = open(fixture).await;
    for _ in 0..100 {
        let [parent, child] = ids();
        let inserted = link(child, &[parent]);
        store.insert(inserted.clone());
        let found = entry(&*store, child).await.expect("it was inserted");
        assert_eq!((found.parents, found.metadata), (inserted.parents.clone(), inserted.entry().metadata));
        assert_eq!(children(&*store, parent).await, HashSet::from([child]));
    }
}

/// A store that kept everything says that it missed nothing.
pub async fn misses_nothing(fixture: &Fixture) {
    let store = open(fixture).await;
    let [parent, child] = ids();
    let inserted = link(child, &[parent]);
    store.insert(inserted.clone());
    store.flush().await;
    if let Some(missed) = store.missed() {
        assert_eq!(missed.count(), 0);
        assert!(!missed.concerns(child, Some(inserted.created_at)));
    }
}

/// A link that was inserted and flushed is there when the store is opened again.
pub async fn keeps_flushed_links_when_reopened(fixture: &Fixture) {
    let store = open(fixture).await;
    let [parent, child] = ids();
    store.insert(link(child, &[parent]));
    store.flush().await;
    let store = reopen(fixture, store).await;
    assert!(entry(&*store, child).await.is_some_and(|entry| entry.parents == [parent]));
    assert_eq!(children(&*store, parent).await, HashSet::from([child]));
}
