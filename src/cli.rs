//! The command line: one function per command, and exit codes that a service manager understands.

mod announce;
mod explain;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::background::Background;
use crate::bootstrap::{self, administrator};
use crate::clock::Clock;
use crate::config::{self, Loaded};
use crate::model::fault::Fault;
use crate::model::issuer::Issuer;
use crate::router::routes;
use crate::serve::serve;
use crate::store::Store;
use crate::telemetry::Logging;
use crate::{openapi, store, telemetry};

/// The server that the printed OpenAPI document names; a running one names its own issuer.
const EXAMPLE_SERVER: &str = "https://grantor.example/";
/// The same as for arguments that cannot be parsed.
const EXIT_ASKED: u8 = 2;
/// sysexits.h: the store or an address cannot be had.
const EXIT_UNAVAILABLE: u8 = 69;
/// sysexits.h: a fault of our own.
const EXIT_SOFTWARE: u8 = 70;
/// sysexits.h: something in the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

/// Grantor decides how long a token lives, and why.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  grantor serve\n  grantor --config /etc/grantor/identity.toml serve\n  GRANTOR_STORE__URL=postgres://grantor@db/grantor grantor serve\n\nExit codes: 0 well, 2 wrong arguments, 69 store or address not to be had, 70 a fault, 78 wrong configuration."
)]
struct Arguments {
    /// The operator's file, over the defaults [default: config/identity.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server; the first start prepares the store
    #[command(
        after_help = "Examples:\n  grantor serve\n  GRANTOR_SERVER__LISTEN=127.0.0.1:9000 grantor serve"
    )]
    Serve,
    /// Bring the store's schema up to date and stop (serve does it too)
    #[command(
        after_help = "Example:\n  GRANTOR_STORE__URL=postgres://grantor@db/grantor grantor migrate"
    )]
    Migrate,
    /// Check or show the configuration
    #[command(
        subcommand,
        after_help = "Examples:\n  grantor config check\n  grantor --config my.toml config print"
    )]
    Config(ConfigCommand),
    /// Say how long a token would live, and why
    #[command(
        after_help = "Examples:\n  grantor explain --api https://orders.example/ --client 3xVJ…\n  grantor explain --api https://orders.example/ --client 3xVJ… --validity-period 600\n  grantor explain --client 3xVJ…\n  grantor explain --api https://orders.example/ --flow implicit"
    )]
    Explain(explain::Arguments),
    /// Recover access: a new secret for the first application that holds every Management scope
    #[command(after_help = "Examples:\n  grantor admin-secret\n  grantor admin-secret --new")]
    AdminSecret {
        /// Make a new application instead
        #[arg(long)]
        new: bool,
    },
    /// Print the OpenAPI 3.1 document of every endpoint; it needs no configuration
    #[command(after_help = "Example:\n  grantor openapi > openapi.json")]
    Openapi,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong, and start nothing
    #[command(
        after_help = "Examples:\n  grantor config check\n  grantor --config my.toml config check"
    )]
    Check,
    /// Show each value in force and where it comes from; secrets stay hidden
    #[command(
        after_help = "Examples:\n  grantor config print\n  GRANTOR_SERVER__LISTEN=0.0.0.0:80 grantor config print"
    )]
    Print,
}

/// Why a command ended without success.
enum Failure {
    /// What the arguments name is not there, or cannot be read.
    Asked(String),
    Configuration(String),
    Fault(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(Fault::internal(error))
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (code, text) = match failure {
                Failure::Asked(text) => (EXIT_ASKED, text),
                Failure::Configuration(text) => (EXIT_CONFIG, text),
                Failure::Fault(fault) if fault.is_unavailable() => {
                    (EXIT_UNAVAILABLE, fault.to_string())
                }
                Failure::Fault(fault) => (EXIT_SOFTWARE, fault.to_string()),
            };
            telemetry::write_last_words(&text);
            ExitCode::from(code)
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Command::Openapi = arguments.command {
        let document = openapi::written(&routes().listed, EXAMPLE_SERVER);
        return Ok(std::io::stdout().write_all(document.as_bytes())?);
    }
    let loaded =
        config::load(arguments.config.as_deref(), std::env::vars_os()).map_err(|problems| {
            Failure::Configuration(format!("the configuration is wrong\n{problems}"))
        })?;
    if let Command::Config(command) = &arguments.command {
        return show_config(command, &loaded);
    }
    let logging =
        telemetry::start(&loaded.config.log, store::LOG_FILTER).map_err(Failure::Configuration)?;
    loaded
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match arguments.command {
            // The futures of a whole server are large; the stack is for others.
            Command::Serve => Box::pin(serve_until_signal(loaded, &logging)).await,
            Command::Migrate => migrate(loaded).await,
            Command::Explain(asked) => explain::run(&asked, &loaded.config).await,
            Command::AdminSecret { new } => Box::pin(recover(loaded, new)).await,
            Command::Config(_) | Command::Openapi => Ok(()),
        }
    })
}

fn show_config(command: &ConfigCommand, loaded: &Loaded) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match command {
        ConfigCommand::Check => {
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            if loaded.config.mail.is_none() {
                let effect = "no mails can be sent, and nobody sets a new password by one";
                writeln!(out, "warning: mail.smtp_url is unset, so {effect}")?;
            }
            writeln!(out, "The configuration is fine.")?;
        }
        ConfigCommand::Print => write!(out, "{}", loaded.print())?,
    }
    Ok(())
}

async fn serve_until_signal(
    Loaded { config, .. }: Loaded,
    logging: &Logging,
) -> Result<(), Failure> {
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Fault::unavailable(format_args!("server.listen = {listen}: {error}")))?;
    let bound = listener.local_addr()?;
    let issuer = Issuer::new(config.issuer_at(bound));
    let background = Background::default();
    logging.report_lost_lines(&background);
    let (app, first) = App::start(config, issuer, Clock::real(), &background).await?;
    warn_of_never_expiring(&app).await?;
    if let Some(first) = &first {
        announce::first_application(first, &app.issuer, &store::location(&app.config.store.url))?;
    }
    // Whoever reads that it listens may send a signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let scheme = if app.tls.is_some() { "https" } else { "http" };
    tracing::info!(
        "listening on {scheme}://{bound}, issuer {}",
        app.issuer.as_str()
    );
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    serve(app, listener, background, stop).await?;
    Ok(())
}

/// lifetime.md, What is set where: such tokens stay where they are no longer allowed.
async fn warn_of_never_expiring(app: &App) -> Result<(), Fault> {
    if app.config.lifetimes.allow_never_expiring {
        return Ok(());
    }
    let count = store::tokens::count_never_expiring(&mut *app.store.read().await?).await?;
    if count > 0 {
        tracing::warn!(
            count,
            "never-expiring tokens are out although lifetimes.allow_never_expiring is false; GET /api/v2/tokens?never_expiring=true lists them, DELETE /api/v2/tokens/{{id}} ends one, POST /api/v2/tokens/revoke those of an application or API"
        );
    }
    Ok(())
}

async fn migrate(Loaded { config, .. }: Loaded) -> Result<(), Failure> {
    let store = Store::open(&config.store, &Issuer::new(config.issuer.clone()))?;
    let lock = store.migration_lock().await?;
    store.migrate(&lock).await?;
    store.close().await;
    writeln!(std::io::stdout(), "The schema is up to date.")?;
    Ok(())
}

async fn recover(Loaded { config, .. }: Loaded, new: bool) -> Result<(), Failure> {
    let issuer = Issuer::new(config.issuer.clone());
    let store = Store::open(&config.store, &issuer)?;
    let clock = Clock::real();
    let prepared = bootstrap::prepare(&store, &config, &issuer, &clock).await?;
    let first = match prepared.first {
        Some(first) => first,
        None => administrator::recover(&store, &prepared.secrets, new, clock.now()).await?,
    };
    store.close().await;
    announce::to_terminal(&first, &issuer)?;
    Ok(())
}
