//! Mistakes that must not compile, each with the message it gives, and their legal neighbours.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the messages anew; read the difference before committing it.

#[test]
fn mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/*/pass/*.rs");
    cases.compile_fail("tests/ui/*/fail/*.rs");
}
