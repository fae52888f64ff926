//! Starts a private RabbitMQ, Redis and PostgreSQL, for one command or until it is stopped.
//!
//! ```text
//! services run -- COMMAND…   COMMAND finds them in BLOODBANK_TEST_RABBIT_URL, BLOODBANK_TEST_REDIS_URL and
//!                            BLOODBANK_TEST_POSTGRES_URL; its exit code is passed on
//! services up                prints `export RABBIT_URL=… REDIS_URL=… DATABASE_URL=…` and stays until Ctrl-C or
//!                            SIGTERM
//! ```
#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    ffi::OsString,
    io::{self, IsTerminal, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode, ExitStatus},
    thread,
};

use bloodbank_harness::{
    HarnessError, POSTGRES_URL_VARIABLE, Postgres, RABBIT_URL_VARIABLE, REDIS_URL_VARIABLE, RabbitMq, Redis,
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

const USAGE: &str = "usage: services run -- COMMAND…\n       services up";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let result = match arguments.first().and_then(|verb| verb.to_str()) {
        Some("run") if arguments.len() > 2 && arguments[1] == "--" => run(&arguments[2..]),
        Some("up") if arguments.len() == 1 => up(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("services: {error}");
        ExitCode::FAILURE
    })
}

struct Servers {
    rabbit: RabbitMq,
    redis: Redis,
    postgres: Postgres,
}

fn start() -> Result<Servers, HarnessError> {
    // The broker last: a missing package is noticed before its five seconds.
    let (redis, postgres) = (Redis::start()?, Postgres::start()?);
    Ok(Servers { rabbit: RabbitMq::start()?, redis, postgres })
}

fn up() -> Result<ExitCode, Box<dyn Error>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    eprintln!("services: starting RabbitMQ, Redis and PostgreSQL …");
    let Servers { rabbit, redis, postgres } = start()?;
    let mut out = io::stdout();
    writeln!(out, "export RABBIT_URL={} REDIS_URL={} DATABASE_URL={}", rabbit.url(), redis.url(), postgres.url())?;
    out.flush()?;
    eprintln!("services: up; Ctrl-C stops them");
    signals.forever().next();
    eprintln!("services: stopping …");
    Ok(ExitCode::SUCCESS)
}

fn run(command: &[OsString]) -> Result<ExitCode, Box<dyn Error>> {
    // From here on a signal does not end this process; the command's end does.
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let Servers { rabbit, redis, postgres } = start()?;
    if let Some(signal) = signals.pending().next() {
        return Ok(code_of_signal(signal));
    }
    let mut process = Command::new(&command[0]);
    process
        .args(&command[1..])
        .env(RABBIT_URL_VARIABLE, rabbit.url())
        .env(REDIS_URL_VARIABLE, redis.url())
        .env(POSTGRES_URL_VARIABLE, postgres.url());
    // At a terminal the command stays in the foreground and hears Ctrl-C by itself. Elsewhere it gets a
    // process group, so that a signal reaches all of it.
    let at_terminal = io::stdin().is_terminal();
    if !at_terminal {
        process.process_group(0);
    }
    let mut child =
        process.spawn().map_err(|error| format!("cannot start `{}`: {error}", command[0].to_string_lossy()))?;
    let pid = Pid::from_child(&child);
    let handle = signals.handle();
    let forwarder = thread::spawn(move || {
        for signal in signals.forever() {
            forward(signal, pid, at_terminal);
        }
    });
    let status = child.wait();
    handle.close();
    forwarder.join().map_err(|_| "the thread that passes signals on panicked")?;
    Ok(code_of(status?))
}

fn forward(signal: i32, pid: Pid, at_terminal: bool) {
    let Some(named) = Signal::from_named_raw(signal) else {
        return;
    };
    // An error means that the command has just ended, which `wait` reports.
    let _ = match (at_terminal, signal) {
        (true, SIGINT) => Ok(()),
        (true, _) => kill_process(pid, named),
        (false, _) => kill_process_group(pid, named),
    };
}

fn code_of(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        (None, Some(signal)) => code_of_signal(signal),
        (None, None) => ExitCode::FAILURE,
    }
}

/// The exit code that a shell gives a command ended by this signal.
fn code_of_signal(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
}
