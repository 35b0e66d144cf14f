//! The binary as a process of its own: its output, its exit code, its end.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::from_fn;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::{ask_for, wait_for};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Bench;
use super::bench::LIMIT;
use super::trigger::{Answer, answer, client, signed, try_answer};

/// Where the binary is: that of this build, or the one that `RELAY_BINARY` names, such as a release build.
pub(crate) fn program() -> OsString {
    std::env::var_os("RELAY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_anypoint-relay").into())
}

/// The binary, with an empty environment: nothing of this machine (AWS profiles, proxies) takes part.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A command that came to its end.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Runs the binary with these arguments and nothing in its environment.
    pub(crate) async fn plain<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self::of(binary().args(arguments)).await
    }

    /// Runs a command to its end.
    pub(crate) async fn of(command: &mut Command) -> Self {
        let output = timeout(LIMIT, command.output()).await.expect("the command ends").unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit code.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

impl Bench {
    /// The binary with the sandbox's credentials in its environment.
    pub(crate) fn binary(&self) -> Command {
        let mut command = binary();
        command.envs(self.aws.environment()).envs(&self.environment);
        command
    }

    /// A further credential in the environment of the binary.
    pub(crate) fn environment_with(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// A sandbox with the secret and the application of [`super::ORDERS_TARGET`], and no relay.
    pub(crate) async fn with_orders() -> Self {
        let bench = Self::new().await;
        bench.aws.create_secret("prod/orders/db", super::ORDERS_SECRET);
        bench.anypoint.deploy("orders-api", NONE, [("db.user", "orders_app"), ("db.password", "none yet")]);
        bench
    }

    /// A file in the bench's folder.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The path of a file in the bench's folder, whether or not it is there.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `serve` with a configuration of these targets, and waits until it is ready.
    pub(crate) async fn spawn(&self, targets: &str) -> Relay {
        self.spawn_with(&self.file(targets)).await
    }

    /// The same with a whole configuration.
    pub(crate) async fn spawn_with(&self, text: &str) -> Relay {
        let file = self.write("relay.yaml", text);
        Relay::start(self.binary().arg("serve").arg(file)).await
    }
}

/// `anypoint-relay serve` as a process. It is killed when it is dropped.
pub(crate) struct Relay {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: JoinHandle<((), ())>,
    pub(crate) hooks: String,
    pub(crate) admin: String,
}

impl Relay {
    /// Starts it and waits until it is ready. The addresses are those that it says it listens on.
    pub(crate) async fn start(command: &mut Command) -> Self {
        let relay = Self::launch(command).await;
        relay.becomes_ready().await;
        relay
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn launch(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::<Mutex<String>>::default();
        // Nothing is expected on standard output; what comes there all the same is part of the log.
        let out = keep(child.stdout.take().unwrap(), Arc::clone(&log));
        let err = keep(child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = tokio::spawn(async { tokio::join!(out, err) });
        let mut relay = Self { child, log, reader, hooks: String::new(), admin: String::new() };
        let listens = wait_for("its addresses", LIMIT, || {
            let ended = relay.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended at once, {ended:?}: {}", relay.log());
            Some((relay.says("hooks")?, relay.says("admin")?))
        });
        let (hooks, admin) = listens.await;
        (relay.hooks, relay.admin) = (format!("http://{hooks}"), format!("http://{admin}"));
        relay
    }

    /// The first text that a log line has under this name, in either format of the log.
    fn says(&self, name: &str) -> Option<String> {
        let json = self.lines().iter().find_map(|line| Some(line[name].as_str()?.to_owned()));
        json.or_else(|| {
            let log = self.log();
            log.split_whitespace()
                .find_map(|word| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
        })
    }

    async fn becomes_ready(&self) {
        let ready = async || (self.probe("/readyz").await? == 200).then_some(());
        self.asked("a relay that is ready", ready).await;
    }

    /// Waits until `ask` finds an answer.
    async fn asked<T>(&self, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
        ask_for(from_fn(|f| write!(f, "{what}\n{}", self.log())), LIMIT, ask).await
    }

    /// The status of a probe of the admin listener; none where nobody answers.
    pub(crate) async fn probe(&self, path: &str) -> Option<u16> {
        let request = client().get(format!("{}{path}", self.admin));
        Some(try_answer("GET", path, request).await.ok()?.status)
    }

    /// Everything on standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log lines so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a log line for which `pick` holds.
    pub(crate) async fn logs(&self, what: &str, pick: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, LIMIT, || self.lines().into_iter().find(&pick)).await
    }

    /// Asks the admin listener; the answer is held to the contract.
    pub(crate) async fn ask(&self, path: &str) -> Answer {
        answer("GET", path, client().get(format!("{}{path}", self.admin))).await
    }

    /// Posts to the hooks; the answer is held to the contract.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
        let mut request = client().post(format!("{}{path}", self.hooks)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        answer("POST", path, request).await
    }

    /// Sends a signed trigger; `query` such as `?wait=10s` or empty.
    pub(crate) async fn trigger(&self, body: &str, query: &str) -> Answer {
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        self.post(&format!("/hooks/trigger{query}"), &signed(&id, body), body).await
    }

    /// What the status page says about a target.
    pub(crate) async fn target(&self, name: &str) -> Value {
        let status = self.ask("/status").await.body;
        let mut targets = status["targets"].as_array().unwrap().iter();
        targets.find(|target| target["target"] == name).unwrap_or(&Value::Null).clone()
    }

    /// Waits until the status page shows this outcome of a target and nothing is under way for it.
    pub(crate) async fn shows(&self, name: &str, outcome: &str) -> Value {
        self.rests(name, outcome, |target| target["outcome"] == outcome).await
    }

    /// Waits until the status page shows a failure of a target.
    pub(crate) async fn shows_failure(&self, name: &str) -> Value {
        self.rests(name, "failing", |target| target["failure"].is_object()).await
    }

    async fn rests(&self, name: &str, what: &str, pick: impl Fn(&Value) -> bool) -> Value {
        let ask = async || {
            let target = self.target(name).await;
            (pick(&target) && target["running_since"].is_null()).then_some(target)
        };
        self.asked(&format!("{name} {what}"), ask).await
    }

    /// Waits until each of these targets has had a run for which `pick` holds.
    pub(crate) async fn have_run(&self, targets: &[&str], pick: impl Fn(&str, &Value) -> bool) {
        let ask = async || {
            // Not held to the contract, which takes its time for a page with a hundred targets.
            let page = client().get(format!("{}/status", self.admin)).send().await.unwrap();
            let page: Value = page.json().await.unwrap();
            let ran = page["targets"].as_array().unwrap().iter().filter_map(|shown| {
                let name = shown["target"].as_str()?;
                shown["history"].as_array()?.iter().any(|run| pick(name, run)).then_some(name)
            });
            let ran: BTreeSet<&str> = ran.collect();
            targets.iter().all(|target| ran.contains(target)).then_some(())
        };
        self.asked(&format!("runs as wanted of each of {targets:?}"), ask).await;
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.process();
        let kill = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().await.unwrap();
        assert!(kill.success());
    }

    /// Waits for its end, at most for `limit`; gives the status and all that it logged.
    pub(crate) async fn ends_within(mut self, limit: Duration) -> (ExitStatus, String) {
        let ended = timeout(limit, self.child.wait()).await;
        let status =
            ended.unwrap_or_else(|_| panic!("it still runs after {limit:?}: {}", self.log())).unwrap();
        self.reader.await.unwrap();
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (status, log)
    }

    /// Kills it at once, as the kernel does when memory runs out.
    pub(crate) async fn kill_9(mut self) -> String {
        self.child.kill().await.unwrap();
        self.log()
    }
}

async fn keep(stream: impl AsyncRead + Unpin, log: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

/// Takes a configuration apart by line: those that hold `part` are left out.
pub(crate) fn without(file: &str, part: &str) -> String {
    file.split_inclusive('\n').filter(|line| !line.contains(part)).collect()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
