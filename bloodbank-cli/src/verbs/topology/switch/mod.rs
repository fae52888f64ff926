//! `bb topology switch`.

mod plan;

use std::{io::Write, time::Duration};

use bloodbank_amqp::ExchangeSwitch;
use bloodbank_client::ExchangeBinding;
use bloodbank_core::Settings;
use serde_json::json;

use self::plan::{Phase, Seen, Step};
use crate::{
    error::{CliError, Result},
    output::{
        self,
        style::{DIM, GOOD, HEADING, WARN, paint},
    },
};

/// Move services from one exchange to another while they run: begin, roll the services, finish
///
/// What has to be done is read from the broker each time, by its management API: a verb that was interrupted is run again.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  bb topology switch begin --from bloodbank.events.v1 --to bloodbank.events.v2 --dry-run
  bb topology switch begin --from bloodbank.events.v1 --to bloodbank.events.v2
  bb topology switch status --from bloodbank.events.v1 --to bloodbank.events.v2 --watch 30s
  bb topology switch finish --from bloodbank.events.v1 --to bloodbank.events.v2")]
pub(super) enum Switch {
    /// Make one of both exchanges: services may then use either; each event reaches each queue once
    Begin {
        #[command(flatten)]
        exchanges: Exchanges,
        /// The services on the new exchange have BLOODBANK_COMMAND_QUEUES: command queues keep their names
        #[arg(long)]
        keep_command_queues: bool,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Show how far the switch is, and who still publishes to the old exchange
    Status {
        #[command(flatten)]
        exchanges: Exchanges,
        /// How long to listen for who still publishes to the old exchange
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        watch: Option<Duration>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make sure that nobody uses the old exchange, and unbind its queues; events that come there all the same go to the new one
    Finish {
        #[command(flatten)]
        exchanges: Exchanges,
        /// How long nobody may publish to the old exchange
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
        watch: Duration,
        /// Delete the old exchange too: an event that comes there afterwards reaches nobody
        #[arg(long)]
        delete: bool,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Exchanges {
    /// The exchange that the services use
    #[arg(long, value_name = "EXCHANGE")]
    from: String,
    /// The exchange that they are to use
    #[arg(long, value_name = "EXCHANGE")]
    to: String,
}

impl Switch {
    pub(super) async fn run(self) -> Result {
        let (Self::Begin { exchanges, .. } | Self::Status { exchanges, .. } | Self::Finish { exchanges, .. }) = &self;
        if exchanges.from == exchanges.to || exchanges.from.is_empty() || exchanges.to.is_empty() {
            return Err(CliError::usage("--from and --to must name two exchanges"));
        }
        let settings = Settings::load()?;
        if settings.rabbit_url.is_none() {
            return Err(CliError::usage(
                "an exchange is switched on RabbitMQ alone; set RABBIT_URL, and RABBIT_MANAGEMENT_URL if its port is not 15672",
            ));
        }
        let seen = exchanges.look(&settings).await?;
        let switch = ExchangeSwitch::connect(&settings).await?;
        let done = match self {
            Self::Begin { keep_command_queues, dry_run, .. } => {
                begin(&switch, &seen, keep_command_queues, dry_run).await
            }
            Self::Status { watch, json, .. } => status(&switch, &seen, watch, json).await,
            Self::Finish { watch, delete, dry_run, .. } => finish(&switch, &seen, watch, delete, dry_run).await,
        };
        switch.close().await;
        done
    }
}

impl Exchanges {
    async fn look(&self, settings: &Settings) -> Result<Seen> {
        let (old, new) =
            tokio::try_join!(ExchangeBinding::of(settings, &self.from), ExchangeBinding::of(settings, &self.to))?;
        Ok(Seen { from: self.from.clone(), to: self.to.clone(), old, new })
    }
}

async fn begin(switch: &ExchangeSwitch, seen: &Seen, keep_command_queues: bool, dry_run: bool) -> Result {
    let Seen { from, to, .. } = seen;
    if seen.old.is_none() {
        return Err(no_exchange(from));
    }
    let mut obstacles = seen.obstacles();
    let commands = seen.command_queues();
    if !commands.is_empty() && !keep_command_queues {
        obstacles.push(format!(
            "the names of command queues begin with that of their exchange: {}; services on {to} would make others, and both would \
             execute each command; give services BLOODBANK_COMMAND_QUEUES={from} together with EXCHANGE_NAME={to}, and say so with \
             --keep-command-queues",
            commands.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    refuse(&obstacles)?;
    perform(switch, &seen.begin(), dry_run).await?;
    if !dry_run {
        writeln!(output::out(), "{} {from} and {to} are one; {}", paint(GOOD, "begun"), roll(seen))?;
    }
    Ok(())
}

/// What the services need.
fn roll(seen: &Seen) -> String {
    let Seen { from, to, .. } = seen;
    let commands = match seen.command_queues().is_empty() {
        true => String::new(),
        false => format!(" and BLOODBANK_COMMAND_QUEUES={from}"),
    };
    format!("roll the services to EXCHANGE_NAME={to}{commands}, then `topology switch finish`")
}

async fn status(switch: &ExchangeSwitch, seen: &Seen, watch: Option<Duration>, as_json: bool) -> Result {
    let (phase, obstacles) = (seen.phase(), seen.obstacles());
    let publishers = match watch {
        Some(time) if seen.old.is_some() => Some(switch.listen(&seen.from, time).await?),
        _ => None,
    };
    let Seen { from, to, .. } = seen;
    if as_json {
        return Ok(output::json(&json!({
            "from": from, "to": to, "phase": name(phase), "queues": seen.queues_of_old().count(), "obstacles": obstacles,
            "listeners": seen.listeners(), "publishers": publishers,
            "missing": seen.begin().iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?);
    }
    let mut out = output::out();
    let says = match phase {
        Phase::NotBegun => format!("not begun: `topology switch begin` makes one of {from} and {to}"),
        Phase::Incomplete => {
            "incomplete; `topology switch begin` does what is missing, `finish` goes on with a finish".to_owned()
        }
        Phase::Both => format!("{from} and {to} are one; {}", roll(seen)),
        Phase::Finished => format!("finished: what still comes to {from} goes to {to}"),
        Phase::Deleted => format!("finished: {from} is deleted"),
    };
    writeln!(out, "{} {says}", paint(HEADING, name(phase)))?;
    if phase == Phase::Incomplete {
        for step in seen.begin() {
            writeln!(out, "  {} {step}", paint(WARN, "missing"))?;
        }
    }
    for obstacle in obstacles {
        writeln!(out, "  {} {obstacle}", paint(WARN, "warning"))?;
    }
    for listener in seen.listeners() {
        writeln!(out, "  {} a program with the queue {listener}", paint(WARN, "listens on the old exchange:"))?;
    }
    for exchange in seen.other_exchanges() {
        writeln!(out, "  {} exchange {exchange}", paint(WARN, "gets what comes to the old exchange:"))?;
    }
    for (service, events) in publishers.iter().flatten() {
        writeln!(out, "  {} {service}, {events} events", paint(WARN, "publishes to the old exchange:"))?;
    }
    if let (Some(time), Some(publishers)) = (watch, &publishers)
        && publishers.is_empty()
    {
        let time = humantime::format_duration(time);
        writeln!(out, "  {} nobody published to {from} within {time}", paint(DIM, "silent:"))?;
    }
    Ok(())
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::NotBegun => "not begun",
        Phase::Incomplete => "incomplete",
        Phase::Both => "both",
        Phase::Finished | Phase::Deleted => "finished",
    }
}

async fn finish(switch: &ExchangeSwitch, seen: &Seen, watch: Duration, delete: bool, dry_run: bool) -> Result {
    let Seen { from, to, .. } = seen;
    match seen.phase() {
        Phase::NotBegun if seen.old.is_none() => return Err(no_exchange(from)),
        Phase::NotBegun => {
            return Err(CliError::failed(format!(
                "the switch from {from} to {to} is not begun; `topology switch begin` begins it"
            )));
        }
        Phase::Deleted => return Ok(writeln!(output::out(), "{} {from} is deleted already", paint(GOOD, "finished"))?),
        Phase::Incomplete | Phase::Both | Phase::Finished => {}
    }
    let missing: Vec<_> = seen.begin().iter().filter(|step| is_needed(step, from)).map(ToString::to_string).collect();
    let mut obstacles = seen.obstacles();
    if !missing.is_empty() {
        obstacles
            .push(format!("not everything is on {to} yet ({}); run `topology switch begin` again", missing.join(", ")));
    }
    let listeners = seen.listeners();
    if !listeners.is_empty() {
        obstacles.push(format!(
            "programs still listen on {from}, with the queues {}; roll them to EXCHANGE_NAME={to}, or end them",
            listeners.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    let others = seen.other_exchanges();
    if !others.is_empty() {
        obstacles.push(format!(
            "exchanges are bound to {from}, and would get nothing any more: {}; bind them to {to} and unbind them from {from}",
            others.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    refuse(&obstacles)?;
    let steps = seen.finish(delete);
    if !steps.is_empty() && !dry_run {
        output::note(&format!(
            "listening for {} whether anybody publishes to {from}",
            humantime::format_duration(watch)
        ));
        let publishers = switch.listen(from, watch).await?;
        if !publishers.is_empty() {
            let publishers: Vec<_> =
                publishers.iter().map(|(service, events)| format!("{service} ({events} events)")).collect();
            return Err(CliError::failed(format!(
                "somebody still publishes to {from}: {}; roll them to EXCHANGE_NAME={to} and run this again; nothing was changed",
                publishers.join(", ")
            )));
        }
    }
    perform(switch, &steps, dry_run).await?;
    if dry_run {
        return Ok(());
    }
    let rest = match delete {
        true => format!("{from} is deleted"),
        false => format!("what still comes to {from} goes to {to}; `topology switch finish --delete` removes {from}"),
    };
    Ok(writeln!(output::out(), "{} {rest}", paint(GOOD, "finished"))?)
}

/// Whether an event that is published to the old exchange would miss a queue without this step.
fn is_needed(step: &Step, old: &str) -> bool {
    match step {
        Step::Bind { .. } => true,
        Step::Forward { from, .. } => from == old,
        Step::Declare { .. } | Step::StopForwarding { .. } | Step::Unbind { .. } | Step::Delete { .. } => false,
    }
}

fn refuse(obstacles: &[String]) -> Result {
    if obstacles.is_empty() { Ok(()) } else { Err(CliError::failed(obstacles.join("\n"))) }
}

fn no_exchange(name: &str) -> CliError {
    CliError::failed(format!("there is no exchange {name} in the virtual host of RABBIT_URL; correct its name"))
}

/// Does what is to be done, or only shows it. Each step is shown once it is done: what is missing after an error, the next run does.
async fn perform(switch: &ExchangeSwitch, steps: &[Step], dry_run: bool) -> Result {
    for step in steps {
        if !dry_run {
            match step {
                Step::Declare { exchange } => switch.declare(exchange).await?,
                Step::Bind { exchange, queue, pattern } => switch.bind(exchange, queue, pattern).await?,
                Step::Forward { from, to } => switch.forward(from, to).await?,
                Step::StopForwarding { from, to } => switch.stop_forwarding(from, to).await?,
                Step::Unbind { exchange, queue, pattern } => switch.unbind(exchange, queue, pattern).await?,
                Step::Delete { exchange } => switch.delete(exchange).await?,
            }
        }
        let mark = if dry_run { paint(DIM, "would") } else { paint(GOOD, "done ") };
        writeln!(output::out(), "{mark} {step}")?;
    }
    if steps.is_empty() {
        writeln!(output::out(), "{} nothing is left to do", paint(DIM, "done "))?;
    }
    Ok(())
}
