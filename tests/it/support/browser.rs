//! A real browser (Chromium with ChromeDriver), as W3C WebDriver drives it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;

use anypoint_sandbox::ask_for;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{LIMIT, client};

/// The name that WebDriver gives to a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The key that closes what is open (WebDriver, key codes).
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const ENTER: &str = "\u{e007}";

/// A browser with one window. It ends when it is dropped: a page that lived on would go on asking at an address
/// that is another test's by then.
pub(crate) struct Browser {
    _driver: Child,
    profile: tempfile::TempDir,
    /// Of the driver.
    address: SocketAddr,
    session: String,
}

impl Drop for Browser {
    /// Whoever kills the driver leaves Chromium behind, so the driver is told, and its answer waited for.
    fn drop(&mut self) {
        let path = self.session.rsplit('/').next().unwrap_or_default();
        let request = format!("DELETE /session/{path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        let ended = TcpStream::connect(self.address).and_then(|mut driver| {
            driver.set_read_timeout(Some(LIMIT))?;
            driver.write_all(request.as_bytes())?;
            // It comes when Chromium has ended, and the connection stays open behind it.
            let mut answer = [0; 12];
            driver.read_exact(&mut answer).map(|()| answer)
        });
        let is_ended = ended.as_ref().is_ok_and(|answer| answer.as_slice() == b"HTTP/1.1 200");
        assert!(is_ended || std::thread::panicking(), "Chromium is left behind: {ended:?}");
    }
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver says its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let profile = tempfile::tempdir().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        // Nothing but what a test asks for goes out, and none of it further than this machine.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--lang=en-GB",
            &data,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let url = format!("http://127.0.0.1:{port}/session");
        let answer: Value = client().post(&url).json(&wanted).send().await.unwrap().json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        Self { _driver: driver, profile, address, session: format!("{url}/{id}") }
    }

    /// The folder that its processes are started with.
    pub(crate) fn profile(&self) -> PathBuf {
        self.profile.path().to_owned()
    }

    async fn tell(&self, command: &str, wish: Value) -> Value {
        let answer = client().post(format!("{}/{command}", self.session)).json(&wish).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{command} {wish}: {answer}");
        answer["value"].clone()
    }

    pub(crate) async fn open(&self, url: &str) {
        self.tell("url", json!({ "url": url })).await;
    }

    /// The window as wide and high as a desktop's or a phone's, in CSS pixels.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let parameters = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.developer("Emulation.setDeviceMetricsOverride", parameters).await;
    }

    /// `light` or `dark`, as the person prefers.
    pub(crate) async fn prefers(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.developer("Emulation.setEmulatedMedia", features).await;
    }

    async fn developer(&self, command: &str, parameters: Value) {
        self.tell("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    /// What this JavaScript gives.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.tell("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// The text of an element as a person sees it; empty if it is not shown.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(selector));
        self.run(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of an element contains this.
    pub(crate) async fn shows(&self, selector: &str, part: &str) {
        let last = std::sync::Mutex::new(String::new());
        let ask = async || {
            let text = self.text(selector).await;
            let found = text.contains(part);
            *last.lock().unwrap() = text;
            found.then_some(())
        };
        let what =
            std::fmt::from_fn(|f| write!(f, "{selector} with {part:?}, not {:?}", last.lock().unwrap()));
        ask_for(what, LIMIT, ask).await;
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.tell("element", json!({ "using": "css selector", "value": selector })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks, as with a mouse: on what is shown and can be reached.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.tell(&format!("element/{element}/click"), json!({})).await;
    }

    pub(crate) async fn types(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.tell(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// A picture of the window, as PNG, kept below the build folder for a person to look at.
    pub(crate) async fn picture(&self, name: &str) {
        let answer: Value =
            client().get(format!("{}/screenshot", self.session)).send().await.unwrap().json().await.unwrap();
        let png = STANDARD.decode(answer["value"].as_str().unwrap()).unwrap();
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    /// What the console says of errors and warnings.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.tell("se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().unwrap().iter();
        let grave = entries.filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        grave.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}
