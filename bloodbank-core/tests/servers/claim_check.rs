//! Payloads by reference: the same on every store, and what each of them must not do.

use std::{fs, time::Duration};

use bloodbank_core::{
    Settings,
    claim_check::{Claim, ClaimCheck, ClaimError, Large},
    settings::ClaimStoreKind,
    store::{
        FileClaims,
        redis::{RedisClaims, RedisConnection},
    },
};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(120);

async fn memory() -> ClaimCheck {
    ClaimCheck::memory()
}

async fn file() -> ClaimCheck {
    ClaimCheck::new(FileClaims::open(tempfile::tempdir().unwrap().keep()).unwrap())
}

async fn redis() -> ClaimCheck {
    let url = tokio::task::spawn_blocking(bloodbank_harness::shared_redis_url).await.unwrap();
    let redis = RedisConnection::new(&url.into()).unwrap();
    ClaimCheck::new(RedisClaims::new(redis).prefix(bloodbank_harness::unique("claim")))
}

macro_rules! on_every_store {
    ($($test:ident)*) => {
        on_every_store! { @store memory $($test)* }
        on_every_store! { @store file $($test)* }
        on_every_store! { @store redis $($test)* }
    };
    (@store $store:ident $($test:ident)*) => {
        mod $store {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(super::$store().await).await;
                }
            )*
        }
    };
}

on_every_store! {
    what_is_put_is_there_until_it_is_removed
    what_is_over_is_not_given_out
    limits_are_kept
    no_key_reaches_what_another_one_keeps
    long_text_travels_by_reference_and_short_text_does_not
}

#[tokio::test]
async fn without_a_prefix_a_text_stands_where_the_python_side_looks() {
    let url = tokio::task::spawn_blocking(bloodbank_harness::shared_redis_url).await.unwrap();
    let vars = |prefix| [("REDIS_URL", url.clone()), ("BLOODBANK_CLAIM_PREFIX", prefix)];
    let python = Settings::from_vars(vars("none".to_owned())).unwrap();
    let key = bloodbank_harness::unique("trinote|423");
    let claim = ClaimCheck::from_settings(&python).unwrap().put(&key, "the text").await.unwrap();
    let bare = RedisClaims::new(RedisConnection::new(&url.clone().into()).unwrap()).prefix("");
    assert_eq!(ClaimCheck::new(bare).get_text(&claim).await.unwrap(), "the text");
    let ours = Settings::from_vars(vars(String::new())).unwrap();
    assert!(ClaimCheck::from_settings(&ours).unwrap().get_text(&claim).await.is_err(), "its keys have a prefix");
}

async fn what_is_put_is_there_until_it_is_removed(cache: ClaimCheck) {
    let claim = cache.put("trinote|423", "the text").await.unwrap();
    assert_eq!(claim, Claim { cache_key: "trinote|423".into(), cache_type: cache.kind() });
    assert_eq!(cache.get_text(&claim).await.unwrap(), "the text");
    cache.put("trinote|423", "another text").await.unwrap();
    assert_eq!(cache.get_text(&claim).await.unwrap(), "another text");
    cache.put("trinote|423", "").await.unwrap();
    assert_eq!(cache.get_text(&claim).await.unwrap(), "");
    cache.put("trinote|423", vec![0xff, 0]).await.unwrap();
    assert_eq!(cache.get(&claim).await.unwrap().as_ref(), [0xff, 0]);
    assert!(matches!(cache.get_text(&claim).await, Err(ClaimError::NotText { .. })));
    for _ in 0..2 {
        cache.remove(&claim).await.unwrap();
        let error = cache.get(&claim).await.unwrap_err();
        assert!(matches!(&error, ClaimError::Missing { key, .. } if key == "trinote|423"), "{error}");
        assert!(!error.is_retryable());
    }
}

async fn what_is_over_is_not_given_out(cache: ClaimCheck) {
    let kept = cache.put("kept", "text").await.unwrap();
    let claim = cache.clone().ttl(Duration::from_millis(1)).put("short", "text").await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let error = loop {
        match cache.get(&claim).await {
            Ok(_) => assert!(Instant::now() < deadline, "it is never over"),
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    // Redis forgets that there was something.
    assert!(matches!(error, ClaimError::Expired { .. } | ClaimError::Missing { .. }), "{error}");
    assert_eq!(matches!(error, ClaimError::Missing { .. }), cache.kind() == ClaimStoreKind::Redis);
    assert_eq!(cache.get_text(&kept).await.unwrap(), "text");
}

async fn limits_are_kept(cache: ClaimCheck) {
    let small = cache.clone().limit(4);
    small.put("key", "four").await.unwrap();
    assert!(matches!(small.put("key", "fiver").await, Err(ClaimError::TooLarge { limit: 4, .. })));
    let claim = cache.put("key", "fiver").await.unwrap();
    assert!(matches!(small.get(&claim).await, Err(ClaimError::TooLarge { .. })));
    for key in ["", "a\0b", "a\r\nSET x y", "\u{1b}[31m", &"k".repeat(1025)] {
        let error = cache.put(key, "text").await.unwrap_err();
        assert!(matches!(error, ClaimError::BadKey { .. }), "{error}");
        assert!(!error.to_string().contains('\u{1b}') && error.to_string().len() < 600, "{error}");
        let claim = Claim { cache_key: key.into(), cache_type: cache.kind() };
        assert!(matches!(cache.get(&claim).await, Err(ClaimError::BadKey { .. })));
    }
    cache.put("k".repeat(1024), "text").await.unwrap();
}

async fn no_key_reaches_what_another_one_keeps(cache: ClaimCheck) {
    let keys = ["../../etc/passwd", "/etc/passwd", "a/b", "a", "A", "a.", "..", ".", "C:\\x", "a|b", "*", "ключ"];
    for key in keys {
        cache.put(key, format!("text of {key}")).await.unwrap();
    }
    for key in keys {
        let claim = Claim { cache_key: key.into(), cache_type: cache.kind() };
        assert_eq!(cache.get_text(&claim).await.unwrap(), format!("text of {key}"));
    }
    for cache_type in [ClaimStoreKind::Redis, ClaimStoreKind::Memory, ClaimStoreKind::File] {
        let error = cache.get(&Claim { cache_key: "b".into(), cache_type }).await.unwrap_err();
        assert_eq!(matches!(error, ClaimError::Missing { .. }), cache_type == cache.kind(), "{error}");
        assert_eq!(matches!(error, ClaimError::OtherStore { .. }), cache_type != cache.kind(), "{error}");
    }
}

async fn long_text_travels_by_reference_and_short_text_does_not(cache: ClaimCheck) {
    let cache = cache.threshold(10);
    for (text, is_claimed) in [("ten bytes!", false), ("ten bytes !", true)] {
        let large = Large::new(&cache, "body", text).await.unwrap();
        let json = serde_json::to_value(&large).unwrap();
        assert_eq!(json.is_object(), is_claimed, "{json}");
        assert_eq!(serde_json::from_value::<Large>(json).unwrap().resolve(&cache).await.unwrap(), text);
    }
    let gone = Large::Claimed(Claim { cache_key: "gone".into(), cache_type: cache.kind() });
    assert!(matches!(gone.resolve(&cache).await, Err(ClaimError::Missing { .. })));
}

#[tokio::test]
async fn a_memory_has_an_end() {
    use bloodbank_core::store::memory::MemoryClaims;
    let cache = ClaimCheck::new(MemoryClaims::new(1000));
    let first = cache.put("first", vec![0; 600]).await.unwrap();
    let second = cache.put("second", vec![0; 600]).await.unwrap();
    assert!(matches!(cache.get(&first).await, Err(ClaimError::Missing { .. })));
    assert_eq!(cache.get(&second).await.unwrap().len(), 600);
}

/// Everything under a directory.
fn all_files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { all_files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn no_key_leads_out_of_the_directory() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("claims");
    fs::write(outer.path().join("secret"), "secret").unwrap();
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("secret"), "secret").unwrap();
    let cache = ClaimCheck::new(FileClaims::open(&inner).unwrap());
    let absolute = outer.path().join("secret").to_str().unwrap().to_owned();
    for key in ["../secret", "secret", &absolute, "./secret", "x/../../secret", "..%2fsecret"] {
        let claim = Claim { cache_key: key.into(), cache_type: ClaimStoreKind::File };
        assert!(matches!(cache.get(&claim).await, Err(ClaimError::Missing { .. })), "{key} was read");
        cache.put(key, "overwritten").await.unwrap();
        cache.remove(&claim).await.unwrap();
    }
    let files = all_files(outer.path());
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|file| fs::read_to_string(file).unwrap() == "secret"));
}

#[cfg(unix)]
#[tokio::test]
async fn links_and_pipes_in_the_directory_are_neither_followed_nor_waited_for() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("claims");
    let cache = ClaimCheck::new(FileClaims::open(&inner).unwrap());
    let claim = cache.put("key", "text").await.unwrap();
    let file = all_files(&inner).pop().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);

    // What it points to would be read as the claim if the link was followed.
    let target = outer.path().join("target");
    fs::rename(&file, &target).unwrap();
    symlink(&target, &file).unwrap();
    assert!(matches!(cache.get(&claim).await, Err(ClaimError::Store(_))));
    cache.put("key", "new").await.unwrap();
    assert!(fs::read_to_string(&target).unwrap().ends_with("text"), "the link was written through");
    assert_eq!(cache.get_text(&claim).await.unwrap(), "new");

    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let result = timeout(PATIENCE, cache.get(&claim)).await.expect("nobody writes the pipe");
    assert!(matches!(result, Err(ClaimError::Store(_))));
    fs::remove_file(&file).unwrap();

    // A file under the right name that is another's, or no claim.
    fs::write(&file, "{\"key\": \"another\", \"expires_at\": null}\ntext").unwrap();
    assert!(matches!(cache.get(&claim).await, Err(ClaimError::Missing { .. })));
    fs::write(&file, "nonsense").unwrap();
    assert!(matches!(cache.get(&claim).await, Err(ClaimError::Store(_))));
}

#[tokio::test]
async fn what_is_over_is_swept_from_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ClaimCheck::new(FileClaims::open(directory.path()).unwrap());
    let short = cache.clone().ttl(Duration::from_millis(1));
    for number in 0..40 {
        short.put(format!("short {number}"), "text").await.unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    let mut puts = 0;
    while puts < 64 || all_files(directory.path()).len() > 64 {
        assert!(Instant::now() < deadline, "{} files are left", all_files(directory.path()).len());
        cache.put(format!("long {}", puts % 64), "text").await.unwrap();
        puts += 1;
    }
    assert!(cache.get(&Claim { cache_key: "long 0".into(), cache_type: ClaimStoreKind::File }).await.is_ok());
}
