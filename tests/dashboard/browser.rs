//! A real browser, driven through its WebDriver.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use holdfast_testkit::embedded::free_port;
use serde_json::{Value, json};

use crate::soon;

/// One window of a Chromium of its own. Dropping it ends the browser.
pub struct Browser {
    driver: Child,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// A window of this size, in a scheme of colours (`light` or `dark`).
    pub fn start(width: u32, height: u32) -> Self {
        let port = free_port().unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver, which `make test` installs with Chromium");
        soon("the driver listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let profile = std::env::temp_dir().join(format!("holdfast-browser-{}-{port}", std::process::id()));
        fs::create_dir_all(&profile).unwrap();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={width},{height}"),
        ];
        if rustix::process::geteuid().is_root() {
            // Chromium refuses to sandbox for root.
            arguments.push("--no-sandbox".to_owned());
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let base = format!("http://127.0.0.1:{port}/session");
        let begun: Value =
            ureq::post(&base).send_json(wanted).expect("a session").body_mut().read_json().unwrap();
        let id = begun["value"]["sessionId"].as_str().expect("its id");
        Self { driver, session: format!("{base}/{id}"), profile }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = ureq::post(format!("{}/{path}", self.session)).send_json(body).expect(path);
        answer.body_mut().read_json::<Value>().unwrap()["value"].take()
    }

    fn devtools(&self, command: &str, parameters: Value) {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Returns the value of a script.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    pub fn text_of(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({selector:?})?.innerText ?? ''"));
        found.as_str().unwrap_or_default().to_owned()
    }

    pub fn prefers(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Presses a key, as WebDriver names it.
    pub fn press(&self, key: &str) {
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ] }]);
        self.post("actions", &json!({ "actions": actions }));
    }

    /// Whatever it complained of since the last time.
    pub fn complaints(&self) -> Vec<String> {
        self.log("browser")
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Every address that was asked for since the last time.
    pub fn requests(&self) -> Vec<String> {
        let sent = |entry: &Value| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            (event["method"] == "Network.requestWillBeSent")
                .then(|| event["params"]["request"]["url"].as_str().map(str::to_owned))
                .flatten()
        };
        self.log("performance").iter().filter_map(sent).collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.post("se/log", &json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }

    /// Keeps a picture of the window where a person can look at it.
    pub fn picture(&self, name: &str) {
        let taken: Value =
            ureq::get(format!("{}/screenshot", self.session)).call().unwrap().body_mut().read_json().unwrap();
        let image = openssl::base64::decode_block(taken["value"].as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), image).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
