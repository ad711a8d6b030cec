//! The built program, started as an operator starts it: its own process, arguments and environment.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The program that cargo built for these tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_grantor");
/// What a first start may take on a machine that is busy with other tests.
const START_MAX: Duration = Duration::from_mins(1);

/// A command in a folder, without settings that the developer's own shell may hold.
pub(crate) fn command(program: &str, folder: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("GRANTOR") {
            command.env_remove(key);
        }
    }
    command
        .current_dir(folder)
        .envs(environment.iter().map(|(key, value)| (key, value)));
    command
}

/// A running `grantor serve`; it is killed where the test ends without stopping it.
pub(crate) struct Program {
    /// `http://127.0.0.1:port`
    pub(crate) base: String,
    child: Child,
}

impl Program {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// How it ended, where it ended instead, and what it had said.
    pub(crate) fn serve(
        folder: &Path,
        environment: &[(String, String)],
    ) -> Result<Self, (ExitStatus, String)> {
        let mut child = command(PROGRAM, folder, environment)
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that the program never waits for a reader.
        std::thread::spawn(move || {
            log.lines()
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(line)));
        });
        let mut said = String::new();
        while let Ok(line) = receiver.recv_timeout(START_MAX) {
            if let Some((_, address)) = line.split_once("listening on ") {
                let base = address.split(',').next().unwrap().to_owned();
                return Ok(Self { base, child });
            }
            said.push_str(&line);
            said.push('\n');
        }
        // Either it has ended, or it hangs.
        drop(child.kill());
        Err((child.wait().unwrap(), said))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
