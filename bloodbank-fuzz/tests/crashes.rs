//! The fuzzer finds planted panics, and finds them again from the seed.
#![allow(clippy::unwrap_used, reason = "tests")]

use bloodbank_fuzz::{Target, fuzz, replay};

/// A target that panics for rare inputs; optionally in another thread, where the panic is caught.
struct Planted {
    caught: bool,
}

impl Target for Planted {
    fn name(&self) -> &'static str {
        "planted"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        vec![b"key=value".to_vec()]
    }

    fn words(&self) -> &'static [&'static str] {
        &["key", "value", "="]
    }

    fn execute(&mut self, input: &[u8]) -> String {
        let text = String::from_utf8_lossy(input);
        let Some((name, value)) = text.split_once('=') else { return "no `=`".to_owned() };
        if name != "key" {
            return "another name".to_owned();
        }
        // Three steps, each a mutation away from the one before.
        match value.matches("value").count() {
            0 => "nothing".to_owned(),
            1 => "one".to_owned(),
            2 => "two".to_owned(),
            _ if self.caught => {
                std::thread::spawn(|| panic!("planted")).join().unwrap_err();
                "three".to_owned()
            }
            _ => panic!("planted"),
        }
    }
}

/// One test: panics are counted for the whole process.
#[test]
fn a_planted_panic_is_found_and_found_again() {
    for caught in [false, true] {
        let found = fuzz(&mut Planted { caught }, 1_000_000, 7).unwrap_err();
        println!("{found}");
        assert!(found.panic.contains("planted"), "{found}");
        let again = fuzz(&mut Planted { caught }, 1_000_000, 7).unwrap_err();
        assert_eq!((again.execution, &again.input), (found.execution, &found.input));
        assert!(replay(&mut Planted { caught }, &found.input).is_err());
        let before = fuzz(&mut Planted { caught }, found.execution, 7).unwrap();
        assert!(before.answers >= 3, "{before}");
    }
}
