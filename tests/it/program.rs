//! The real binary as a child process: its environment, what it prints, and its end.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use reqwest::Client;

use crate::harness::{Answer, Credentials};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_grantor");
/// What a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at something that happens in another process.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How the binary is run: in a folder, with nothing of this process's own environment.
#[derive(Clone)]
pub(crate) struct Program {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Program {
    /// In this folder, where the port is any free one and all else is at its default.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            variables: Vec::new(),
        }
        .with("GRANTOR_SERVER__LISTEN", "127.0.0.1:0")
    }

    /// In this folder with just these variables.
    pub(crate) fn with_environment(folder: &Path, variables: &[(String, String)]) -> Self {
        Self {
            folder: folder.to_owned(),
            variables: variables.to_vec(),
        }
    }

    /// With a variable in its environment.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.retain(|(own, _)| own != name);
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(BINARY);
        command.args(arguments);
        Running::start(command).end()
    }

    /// Serves; it must come to listen.
    pub(crate) fn serve(&self) -> Running {
        self.start()
            .listening()
            .unwrap_or_else(|ended| panic!("it did not come to listen: {ended:?}"))
    }

    /// Tries to serve; it must refuse.
    pub(crate) fn refuse_to_serve(&self) -> Ended {
        match self.start().listening() {
            Ok(running) => panic!("it should not start: {}", running.output()),
            Err(ended) => ended,
        }
    }

    /// Begins to serve and does not wait for anything.
    pub(crate) fn start(&self) -> Running {
        let mut command = self.command(BINARY);
        command.arg("serve");
        Running::start(command)
    }

    /// Serves with a terminal for its output (util-linux's `script` makes one).
    pub(crate) fn serve_on_a_terminal(&self) -> Running {
        let mut command = self.command("script");
        let serve = format!("exec '{BINARY}' serve");
        command.args(["-qefc", &serve, "/dev/null"]);
        Running::start(command)
            .listening()
            .unwrap_or_else(|ended| panic!("it did not come to listen: {ended:?}"))
    }

    /// Another program, in the same folder and environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables.iter().cloned());
        command
    }
}

/// A child process. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    out: Output,
    err: Output,
    /// `http://127.0.0.1:port`, once it listens.
    pub(crate) base: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            out: Output::of(child.stdout.take().unwrap()),
            err: Output::of(child.stderr.take().unwrap()),
            child,
            base: String::new(),
        }
    }

    /// Waits until it says where it listens.
    pub(crate) fn listening(mut self) -> Result<Self, Ended> {
        let listening = self.until(|running| running.address().is_some());
        if !listening {
            return Err(self.end());
        }
        self.base = self.address().unwrap();
        Ok(self)
    }

    /// Waits until the condition holds; false where the process has ended without it.
    pub(crate) fn until(&mut self, holds: impl Fn(&Self) -> bool) -> bool {
        let began = Instant::now();
        loop {
            let has_ended = self.child.try_wait().unwrap().is_some();
            if holds(self) {
                return true;
            }
            if has_ended {
                return false;
            }
            assert!(began.elapsed() < PATIENCE, "{}", self.output());
            sleep(LOOK_AGAIN);
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn address(&self) -> Option<String> {
        let output = self.output();
        let (_, behind) = output.split_once("listening on ")?;
        behind.split_once(',').map(|(base, _)| base.to_owned())
    }

    /// Everything that it has printed so far, on standard output and standard error.
    pub(crate) fn output(&self) -> String {
        self.out.text() + &self.err.text()
    }

    /// Sends SIGTERM, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.unwrap().success(), "signal {name}");
    }

    /// Stops it and waits for its end.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "no end: {}", self.output());
            sleep(LOOK_AGAIN);
        };
        Ended {
            status,
            stdout: self.out.rest(),
            stderr: self.err.rest(),
        }
    }

    /// A form to a path of it, authenticated by Basic.
    pub(crate) async fn form(
        &self,
        path: &str,
        client: &Credentials,
        params: &[(&str, &str)],
    ) -> Answer {
        let request = Client::new()
            .post(format!("{}{path}", self.base))
            .basic_auth(&client.id, Some(&client.secret))
            .form(params);
        Answer::read(request.send().await.unwrap()).await
    }

    /// A request for a Management token.
    pub(crate) async fn ask_for_management(&self, client: &Credentials) -> Answer {
        let audience = format!("{}/api/v2/", self.base);
        let params = [
            ("grant_type", "client_credentials"),
            ("audience", &*audience),
        ];
        self.form("/oauth/token", client, &params).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or this ends it; either way nothing is left behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails with all that it printed where the exit code is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }

    /// Fails where standard error lacks one of the words.
    #[track_caller]
    pub(crate) fn complains_of(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

/// What a pipe has brought, collected by a thread.
struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&text);
        let reader = spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
                collected
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// All of it, once the process has ended.
    fn rest(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}
