//! Executes the fuzz targets with random input.
//!
//! ```text
//! fuzz-inputs EXECUTIONS SEED [TARGET…]   all targets without a name
//! fuzz-inputs --input FILE TARGET         one input once more
//! ```
#![forbid(unsafe_code)]

use std::{env, error::Error, fs, process::ExitCode};

use bloodbank_fuzz::{fuzz, replay, targets};

const USAGE: &str = "usage: fuzz-inputs EXECUTIONS SEED [TARGET…]\n       fuzz-inputs --input FILE TARGET";

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-inputs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let named = |name: &str| {
        targets::named(name).ok_or_else(|| format!("no target `{name}`; there are {}", targets::NAMES.join(", ")))
    };
    match arguments {
        [flag, file, name] if flag == "--input" => {
            println!("{}", replay(&mut *named(name)?, &fs::read(file)?)?);
        }
        [executions, seed, names @ ..] => {
            let (executions, seed) = (executions.parse().map_err(|_| USAGE)?, seed.parse().map_err(|_| USAGE)?);
            let all = targets::NAMES.map(str::to_owned);
            for name in if names.is_empty() { &all } else { names } {
                let report = fuzz(&mut *named(name)?, executions, seed).inspect_err(|found| {
                    let file = env::temp_dir().join(format!("fuzz-inputs-{name}-{seed}"));
                    // It is printed too.
                    if fs::write(&file, &found.input).is_ok() {
                        eprintln!("the input is in {}", file.display());
                    }
                })?;
                println!("{report}");
            }
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
