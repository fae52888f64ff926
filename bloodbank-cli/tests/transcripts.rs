//! What the pages of the book show is what the programs print.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::PathBuf;

use support::example;

/// Runs a page: `bb` is this package's binary, `shop` the example.
fn page(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/src/cli");
    // Where `.env` and `bloodbank.toml` are looked for: there are none.
    let page = folder.path().join(format!("{name}.md"));
    let original = docs.join(format!("{name}.md"));
    std::fs::copy(&original, &page).unwrap();
    for variable in ["RABBIT_URL", "REDIS_URL", "RUST_LOG", "SERVICE_NAME"] {
        assert!(std::env::var_os(variable).is_none(), "unset {variable}: the pages show the defaults");
    }
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("HOSTNAME", "host")
        .env("COLUMNS", "100")
        .env("HOME", folder.path().to_str().unwrap())
        .env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap())
        .register_bins([("shop", example("shop")), ("shop_next", example("shop_next")), ("muddle", example("muddle"))])
        .case(&page)
        .run();
    // `TRYCMD=overwrite` corrects the page.
    if std::fs::read(&page).unwrap() != std::fs::read(&original).unwrap() {
        std::fs::copy(&page, &original).unwrap();
    }
}

macro_rules! pages {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            page(stringify!($name));
        }
    )*};
}

pages! {
    listing
    publishing
    checking
    watching
    schemas
}
