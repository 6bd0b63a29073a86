//! The real program, run with a clean environment.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of the program gave.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

/// A command line of the program that knows nothing of the machine's settings. It runs in the repository's root, where the
/// default corpus and model are found.
pub struct Yingda {
    command: Command,
}

/// Starts a command line of the program.
pub fn yingda<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Yingda {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yingda"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("YINGDA_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(super::root()).stdin(Stdio::null());
    Yingda { command }
}

impl Yingda {
    /// Adds `--corpus`.
    pub fn corpus(self, path: impl AsRef<Path>) -> Self {
        self.flag("--corpus", path.as_ref())
    }

    /// Adds `--data`.
    pub fn data(self, path: impl AsRef<Path>) -> Self {
        self.flag("--data", path.as_ref())
    }

    /// Adds a flag with its value.
    pub fn flag(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.arg(name).arg(value);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        let output = self.command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The command itself, for tests that watch the process.
    pub fn into_command(self) -> Command {
        self.command
    }
}
