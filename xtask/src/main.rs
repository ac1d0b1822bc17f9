//! The commands of this repository: `cargo xtask test`, `cargo xtask services`, `cargo xtask ui`, `cargo xtask bench`,
//! `cargo xtask faults`, `cargo xtask deny`, `cargo xtask orders-data`.
//!
//! CI calls the same commands as people do, so that what passes here passes there.

mod bench;
mod deny;
mod example;
mod faults;
mod orders;
mod program;
mod services;
mod step;
mod test;
mod ui;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::services::Release;

/// What a command gives back; the error is shown to the user as it is.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The commands of this repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything that must pass before a change lands
    Test {
        /// Leave out the documentation and the lints of each feature alone
        #[arg(long)]
        fast: bool,
        /// Run the integration tests on these releases of PostgreSQL, beside the installed one
        #[arg(long, value_name = "RELEASE", value_delimiter = ',', default_value = "18")]
        postgres: Vec<Release>,
        /// Give each part so many times its share of minutes
        #[arg(long, value_name = "TIMES", default_value_t = 1.0)]
        patience: f64,
    },
    /// Start, stop or show the servers that tests talk to; starts them, if not told what to do
    Services {
        /// Of this release of PostgreSQL; without it, the installed one is started, and all are stopped and shown
        #[arg(long, global = true, value_name = "RELEASE")]
        postgres: Option<Release>,
        #[command(subcommand)]
        action: Option<ServicesAction>,
    },
    /// Run the tests of compiler messages
    Ui {
        /// Write what the compiler says now as what is expected
        #[arg(long)]
        bless: bool,
    },
    /// Measure Spakky against peers; `cargo xtask bench --help` says what else it takes
    #[command(disable_help_flag = true)]
    Bench {
        /// For the bench, as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Try at random, of any seed and for any time, what tests try of one
    Faults(faults::Options),
    /// Check the licences, sources and known flaws of all dependencies by cargo-deny
    Deny,
    /// Write `examples/data` anew, always the same
    OrdersData,
}

#[derive(Clone, Copy, Subcommand)]
enum ServicesAction {
    /// Start what is not running, and print where it is
    Up,
    /// Stop what was started here, and delete its data
    Down,
    /// Show what is running
    Status,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test { fast, postgres, patience } => {
            test::run(if fast { test::Extent::Fast } else { test::Extent::Full }, &postgres, patience)
        }
        Command::Services { postgres, action } => match action.unwrap_or(ServicesAction::Up) {
            ServicesAction::Up => services::command::up(postgres.unwrap_or(Release::Installed)),
            ServicesAction::Down => services::command::down(postgres),
            ServicesAction::Status => services::command::status(postgres),
        },
        Command::Ui { bless } => ui::run(if bless { ui::Mode::Bless } else { ui::Mode::Compare }),
        Command::Bench { arguments } => bench::run(&arguments),
        Command::Faults(options) => faults::run(&options),
        Command::Deny => deny::run(),
        Command::OrdersData => orders::write(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
