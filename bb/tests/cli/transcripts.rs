//! What the pages of the book show is what the programs print.

use std::path::{Path, PathBuf};

use crate::support::{Running, command, example, out};

/// Runs a page after something has happened: `bb` is this package's binary, `shop` the example.
fn page(name: &str, prepare: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/src/cli");
    // Where the commands run: there are no settings, and what they write goes with it.
    std::fs::create_dir(folder.path().join(format!("{name}.in"))).unwrap();
    let page = folder.path().join(format!("{name}.md"));
    let original = docs.join(format!("{name}.md"));
    std::fs::copy(&original, &page).unwrap();
    for variable in ["RABBIT_URL", "REDIS_URL", "RUST_LOG", "SERVICE_NAME"] {
        assert!(std::env::var_os(variable).is_none(), "unset {variable}: the pages show the defaults");
    }
    prepare(folder.path());
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("HOSTNAME", "host")
        .env("SERVICE_NAME", "shop")
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
            page(stringify!($name), |_| {});
        }
    )*};
}

pages! {
    listing
    checking
    watching
    history
    schemas
    serving
}

#[cfg(feature = "archive")]
pages! { archive }

#[test]
fn publishing() {
    page("publishing", |folder| {
        let flat = r#"{"id": "70117275-3199-5e4c-a175-71646fb33ad7", "event_type": "orders.order.shipped",
            "ts": "2025-10-06T12:00:00Z", "source": "cli/shop", "correlation_id": "4d9e3a02-cb10-5a9f-8d80-d62b647e0c21",
            "data": {"order_id": "o-7", "carrier": "post"}}"#;
        std::fs::write(folder.join("publishing.in/v1.json"), flat).unwrap();
    });
}

#[test]
fn replay() {
    page("replay", |folder| {
        let shop = |args: &[&str]| {
            let mut command = command(example("shop"), folder, args);
            command.env("BLOODBANK_EMBEDDED_PATH", folder.join("bus.db")).env("SERVICE_NAME", "shop");
            command
        };
        out(shop(&["topology", "declare"]));
        for order in ["o-1", "o-2"] {
            let order = format!("order_id={order}");
            out(shop(&["publish", "orders.order.placed", "--mock", "--set", &order]));
        }
    });
}

#[test]
fn dead_letters() {
    page("dead_letters", |folder| {
        let shop = |args: &[&str]| {
            let mut command = command(example("shop"), folder, args);
            command.env("BLOODBANK_EMBEDDED_PATH", folder.join("bus.db"));
            command.env("HOSTNAME", "host").env("SERVICE_NAME", "shop");
            command
        };
        out(shop(&["topology", "declare"]));
        for order in ["o-1", "o-2"] {
            let order = format!("order_id={order}");
            out(shop(&["publish", "orders.order.placed", "--set", &order, "--set", "total_cents=0"]));
        }
        let mut work = Running::start(shop(&["work"]));
        work.line("gave up");
        work.line("gave up");
        work.signal("TERM");
        assert_eq!(work.code(), Some(0));
    });
}
