//! Debian's Chromium, driven as WebDriver describes it (<https://www.w3.org/TR/webdriver2/>).
//!
//! The protocol is JSON over HTTP, of which tests need a handful of requests.

use crate::Program;
use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};
use weir_recorded::{Absent, skip};

const BROWSER: &str = "chromium";
const DRIVER: &str = "chromedriver";
/// Longest that a page may take to become as a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a page is looked at with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Width of the window, in CSS pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether the user prefers dark pages.
    pub dark: bool,
}

/// A browser with one window. Ended when dropped.
#[derive(Debug)]
pub struct Browser {
    port: u16,
    session: String,
    // Ends after the session.
    _driver: Program,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None`, with a printed line, where there is none.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Option<Self>> {
        for program in [BROWSER, DRIVER] {
            if Command::new(program).arg("--version").output().is_err() {
                skip("a test in a browser", &Absent::Program(program));
                return Ok(None);
            }
        }
        let folder = tempfile::tempdir().context("a folder for the browser")?;
        let mut driver = Program::start(Command::new(DRIVER).arg("--port=0"))?;
        let port = loop {
            let line = driver.line().context("waiting for the driver")?;
            if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().with_context(|| line.clone())?;
            }
        };
        let profile = format!("--user-data-dir={}", folder.path().display());
        // Tests run as root in containers, where Chromium's own sandbox cannot be set up; pages are ours.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            &profile,
        ];
        let wanted = json!({
            "browserName": "chrome", "timeouts": {"script": PATIENCE.as_millis()},
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"},
        });
        let mut browser = Self { port, session: String::new(), _driver: driver, _folder: folder };
        let answer = browser.ask("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}))?;
        browser.session = answer["sessionId"].as_str().context("a session")?.to_owned();
        Ok(Some(browser))
    }

    /// How the page is looked at from now on.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn look(&self, look: Look) -> Result<()> {
        let Look { width, height, dark } = look;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics)?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &media)?;
        Ok(())
    }

    /// Whether scripts of pages run that are opened from now on.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn scripts(&self, run: bool) -> Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": !run})).map(drop)
    }

    /// Opens an address.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn open(&self, address: &str) -> Result<()> {
        self.of_session("POST", "url", &json!({ "url": address })).map(drop)
    }

    /// Runs a script in the page; what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub fn run(&self, script: &str) -> Result<Value> {
        self.of_session("POST", "execute/sync", &json!({"script": script, "args": []}))
    }

    /// What the promise of an expression comes to in the page.
    ///
    /// # Errors
    /// When it is rejected, or takes too long.
    pub fn promised(&self, expression: &str) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             Promise.resolve({expression}).then((value) => done({{value}}), (error) => done({{error: String(error)}}));"
        );
        let answer = self.of_session("POST", "execute/async", &json!({"script": script, "args": []}))?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{expression}: {error}");
        }
        Ok(answer["value"].clone())
    }

    /// Waits until this expression is true in the page, looking at it whenever the page changes.
    ///
    /// # Errors
    /// When it does not become so in time; the error has the text of the page.
    pub fn until(&self, expression: &str) -> Result<()> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const look = () => {{ if ({expression}) {{ watch.disconnect(); done(true); }} }};
             const watch = new MutationObserver(look);
             watch.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
             look();"
        );
        let waited = self.of_session("POST", "execute/async", &json!({"script": script, "args": []}));
        waited.map(drop).with_context(|| {
            let page = self.run("return document.body.innerText").unwrap_or_default();
            format!("waiting for {expression}; the page:\n{}", page.as_str().unwrap_or_default())
        })
    }

    /// Presses keys, one after the other, as WebDriver names them.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn press(&self, keys: &[char]) -> Result<()> {
        let press = |key: &char| {
            [json!({"type": "keyDown", "value": key.to_string()}), json!({"type": "keyUp", "value": key.to_string()})]
        };
        let actions: Vec<Value> = keys.iter().flat_map(press).collect();
        let keyboard = json!([{"type": "key", "id": "keyboard", "actions": actions}]);
        self.of_session("POST", "actions", &json!({ "actions": keyboard })).map(drop)
    }

    /// A picture of the window, as PNG.
    ///
    /// # Errors
    /// When there is none.
    pub fn picture(&self) -> Result<Vec<u8>> {
        let answer = self.of_session("GET", "screenshot", &Value::Null)?;
        STANDARD.decode(answer.as_str().context("a picture")?).context("decoding a picture")
    }

    /// What was written to the console as an error since it was last asked.
    ///
    /// # Errors
    /// When the browser does not say.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let answer = self.of_session("POST", "se/log", &json!({"type": "browser"}))?;
        let entries = answer.as_array().cloned().unwrap_or_default().into_iter();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        Ok(severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// A request of the Chrome DevTools Protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn devtools(&self, method: &str, parameters: &Value) -> Result<Value> {
        self.of_session("POST", "goog/cdp/execute", &json!({"cmd": method, "params": parameters}))
    }

    fn of_session(&self, method: &str, what: &str, body: &Value) -> Result<Value> {
        self.ask(method, &format!("/session/{}/{what}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).context("reaching the driver")?;
        stream.set_read_timeout(Some(2 * PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let answer = answer(BufReader::new(stream)).with_context(|| format!("{method} {path}"))?;
        let value = answer["value"].clone();
        if let Some(error) = value["error"].as_str() {
            bail!("{method} {path}: {error}: {}", value["message"].as_str().unwrap_or_default());
        }
        Ok(value)
    }
}

/// The body of an answer. The driver keeps the connection, whatever it is asked.
fn answer(mut from: impl BufRead) -> Result<Value> {
    let (mut line, mut length) = (String::new(), 0_u64);
    while from.read_line(&mut line)? > 2 {
        if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().with_context(|| line.clone())?;
        }
        line.clear();
    }
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body)?;
    serde_json::from_slice(&body).with_context(|| String::from_utf8_lossy(&body).into_owned())
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with the session; without one there is nothing to end.
        let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}
