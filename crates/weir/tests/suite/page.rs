//! The page in a real browser: a rollout goes on and the page follows, every view, keyboard, dark, narrow, hostile names, pictures.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use weir_recorded::{Absent, skip};
use weir_testkit::{Browser, Kubectl, Look, Program};

/// Keys as WebDriver names them.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const RIGHT: char = '\u{e014}';
const WIDE: Look = Look { width: 1280, height: 900, dark: false };
const DARK: Look = Look { dark: true, ..WIDE };
/// The narrowest phones.
const NARROW: Look = Look { width: 360, height: 740, dark: false };

/// Set to write the pictures of docs/user/page.md.
const WRITE: &str = "WEIR_PICTURES";

/// A cluster that runs, and its page.
struct Cluster {
    _program: Program,
    kubectl: Kubectl,
    page: String,
}

fn weir() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir"))
}

/// `None` where something is missing that is needed.
fn up(arguments: &[&str]) -> Result<Option<(Cluster, Browser)>> {
    let Some(browser) = Browser::start()? else { return Ok(None) };
    let mut program = Program::start(weir().arg("up").args(arguments))?;
    let kubeconfig = PathBuf::from(program.line()?);
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(None) };
    program.until("every pool is updated")?;
    let said = program.rest();
    let page = said.lines().find_map(|line| line.strip_prefix("the page: ")).context("the address of the page")?;
    Ok(Some((Cluster { page: page.to_owned(), _program: program, kubectl }, browser)))
}

impl Cluster {
    fn patch(&self, pool: &str, patch: &Value) -> Result<String> {
        self.kubectl.run(&["patch", "mcp", pool, "--type", "merge", "-p", &patch.to_string()])
    }

    /// The address of a path, once the browser has the token.
    fn at(&self, path: &str) -> String {
        let (base, _) = self.page.split_once("/?").unwrap_or((&self.page, ""));
        format!("{base}{path}")
    }
}

/// The address that `weir dashboard` prints for files.
fn of_files(files: &Path) -> Result<(Program, String)> {
    let mut program = Program::start(weir().args(["dashboard", "--listen", "127.0.0.1:0", "--from"]).arg(files))?;
    let address = program.line()?;
    Ok((program, address))
}

/// What is wrong with a page: names of things to act on, contrast, what does not fit, ids that are there twice.
const WRONG: &str = r##"
const wrong = [];
const shown = (e) => e.checkVisibility({checkVisibilityCSS: true});
for (const e of document.querySelectorAll("a, button, input, select, textarea, svg[role=img]")) {
  const label = e.labels?.[0]?.textContent || "";
  const name = e.getAttribute("aria-label") || e.textContent || label || e.title;
  if (shown(e) && !name.trim()) wrong.push("no name: " + e.outerHTML.slice(0, 120));
}
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push("twice: #" + id);
for (const e of document.querySelectorAll("[aria-labelledby]")) {
  if (!document.getElementById(e.getAttribute("aria-labelledby"))) wrong.push("labelled by nothing: " + e.outerHTML.slice(0, 120));
}
const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter(shown).map((h) => Number(h.tagName[1]));
levels.forEach((level, at) => { if (level > (levels[at - 1] || 0) + 1) wrong.push("heading " + level + " after " + (levels[at - 1] || 0)); });
const over = document.documentElement.scrollWidth - innerWidth;
if (over > 0) wrong.push("wider than the window by " + over);
const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length && (c[3] ?? 1) > .99) return c; } return [255, 255, 255]; };
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const e = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !shown(e) || e.closest(".vh, .skip, svg, script, option")) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
  const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (contrast < 4.5) wrong.push("contrast " + contrast.toFixed(2) + ": " + texts.currentNode.data.trim().slice(0, 40) + " in " + e.className);
}
return [...new Set(wrong)];
"##;

/// The checks of axe-core (<https://github.com/dequelabs/axe-core>), which `cargo xtask test` fetches; `None` where it could not.
fn axe() -> Result<Option<String>> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/axe-core/package/axe.min.js");
    let file = std::env::var_os("WEIR_AXE").map_or(default, PathBuf::from);
    if !file.exists() {
        skip("the accessibility checks of axe-core", &Absent::Path(file));
        return Ok(None);
    }
    std::fs::read_to_string(&file).with_context(|| file.display().to_string()).map(Some)
}

/// What axe-core finds wrong with a page, by rule and place.
fn audit(browser: &Browser, axe: &str, about: &str) -> Result<()> {
    browser.run(axe)?;
    let found = browser.promised(
        "axe.run(document, {resultTypes: ['violations']}).then((found) => [found.passes.length, found.violations.map((rule) => [rule.id, rule.help, rule.nodes.map((node) => node.html.slice(0, 160))])])",
    )?;
    ensure!(found[0].as_u64().is_some_and(|passed| passed >= 10), "{about}: axe-core looked at nothing: {found}");
    ensure!(found[1] == json!([]), "{about}: {:#}", found[1]);
    Ok(())
}

fn check(browser: &Browser, about: &str) -> Result<()> {
    let wrong = browser.run(WRONG)?;
    ensure!(wrong == json!([]), "{about}: {wrong:#}");
    let complaints = browser.complaints()?;
    ensure!(complaints.is_empty(), "{about}: {complaints:?}");
    // Everything that the accessibility tree offers to act on has a name there, too.
    let tree = browser.devtools("Accessibility.getFullAXTree", &json!({}))?;
    for node in tree["nodes"].as_array().context("the accessibility tree")? {
        let acts = ["link", "button", "textbox", "searchbox", "combobox", "image"]
            .contains(&node["role"]["value"].as_str().unwrap_or_default());
        let named = node["name"]["value"].as_str().is_some_and(|name| !name.trim().is_empty());
        ensure!(!acts || named || node["ignored"] == true, "{about}: without a name: {node:#}");
    }
    Ok(())
}

#[test]
fn a_rollout_goes_on_and_the_open_page_follows() -> Result<()> {
    let Some((cluster, browser)) = up(&["--nodes", "master=1,worker=3", "--step-time", "400ms"])? else {
        return Ok(());
    };
    browser.look(WIDE)?;
    browser.open(&cluster.page)?;
    ensure!(!browser.run("return location.href")?.to_string().contains("token"), "the token stays in the address");
    browser.until("document.querySelector('h1').textContent === 'Updated'")?;
    browser.until("document.querySelector('#state').textContent === 'live'")?;
    browser.run("window.same = true; window.seen = new Set(); new MutationObserver(() => { for (const w of document.querySelectorAll('.what')) window.seen.add(w.textContent); }).observe(document, {subtree: true, childList: true});")?;
    cluster.patch("worker", &json!({"spec": {"osImageStream": {"name": "rhel-9"}}}))?;
    browser.until("document.querySelector('h1').textContent.startsWith('Updating (worker)')")?;
    browser
        .until("document.querySelector('[data-part=\"pool/worker\"] .stream').textContent === 'rhel-10 → rhel-9'")?;
    browser.until("[...document.querySelectorAll('.what')].some((what) => what.textContent === 'rebooting')")?;
    browser.until("document.querySelector('h1').textContent === 'Updated'")?;
    browser
        .until("document.querySelector('[data-part=\"pool/worker\"]').textContent.includes('3 nodes, 3 reboots')")?;
    let seen = browser.run("return [window.same, ['applying', 'rebooting', 'waiting', 'updated'].filter((word) => !window.seen.has(word))]")?;
    ensure!(seen == json!([true, []]), "loaded again, or not seen: {seen}");
    check(&browser, "overview")
}

#[test]
fn every_view_is_complete_wide_and_narrow_light_and_dark_and_without_script() -> Result<()> {
    let Some((cluster, browser)) = up(&["--nodes", "master=3,worker=3", "--step-time", "20ms"])? else { return Ok(()) };
    let config = "{apiVersion: machineconfiguration.openshift.io/v1, kind: MachineConfig, metadata: {name: 99-motd, labels: {machineconfiguration.openshift.io/role: worker}}, spec: {config: {ignition: {version: 3.4.0}, storage: {files: [{path: /etc/motd, contents: {source: 'data:,hi'}}]}}}}";
    cluster.kubectl.pipe(config.as_bytes(), &["apply", "-f", "-"])?;
    browser.open(&cluster.page)?;
    browser
        .until("document.querySelector('[data-part=\"pool/worker\"]').textContent.includes('3 nodes, 3 reboots')")?;
    cluster.patch("worker", &json!({"spec": {"paused": true, "osImageStream": {"name": "rhel-9"}}}))?;
    browser.until("document.querySelector('h1').textContent.includes('Paused (worker)')")?;
    let target = cluster.kubectl.get(&["mcp", "worker"])?["status"]["configuration"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let views = [
        "/",
        "/streams",
        "/nodes",
        "/nodes?state=waiting",
        "/nodes/worker-1",
        "/rollout",
        "/history",
        "/cluster",
        "/plan",
        "/pools/worker",
        "/pools/worker/files",
        "/pools/worker/part?address=storage.files%5B%2Fetc%2Fmotd%5D",
        &format!("/pools/worker/rollouts/{target}"),
    ];
    let axe = axe()?;
    let audited = [WIDE, Look { dark: true, ..NARROW }];
    for look in [WIDE, DARK, NARROW, Look { dark: true, ..NARROW }] {
        browser.look(look)?;
        for view in views {
            let about = format!("{view} {look:?}");
            browser.open(&cluster.at(view))?;
            check(&browser, &about)?;
            if let Some(axe) = axe.as_deref().filter(|_| audited.contains(&look)) {
                audit(&browser, axe, &about)?;
            }
        }
    }
    browser.open(&cluster.at(views[11]))?;
    ensure!(
        browser.run("return document.body.innerText")?.to_string().contains("MachineConfig 99-motd"),
        "where a file comes from"
    );
    // Without script the same is there, and links and forms work.
    browser.scripts(false)?;
    browser.open(&cluster.at("/nodes?search=worker-2"))?;
    let tree = browser.devtools("Accessibility.getFullAXTree", &json!({}))?.to_string();
    ensure!(tree.contains("worker-2") && !tree.contains("worker-1"), "a filter without script");
    browser.scripts(true)?;
    plan(&browser, &cluster)
}

/// A plan is asked for and shown, and the cluster stays as it is.
fn plan(browser: &Browser, cluster: &Cluster) -> Result<()> {
    browser.look(WIDE)?;
    browser.open(&cluster.at("/plan"))?;
    browser.run("document.querySelector('select[name=\"stream/master\"]').value = 'rhel-9'; document.querySelector('.ask').submit();")?;
    browser.until(
        "document.querySelector('#answer h2')?.textContent.match(/^3 nodes reboot.*3 nodes wait for a paused pool/)",
    )?;
    check(browser, "a plan")?;
    let master = cluster.kubectl.get(&["mcp", "master"])?;
    ensure!(master["spec"]["osImageStream"].is_null(), "{master}");
    let version = cluster.kubectl.get(&["clusterversion", "version"])?;
    let release = version["status"]["desired"]["image"].as_str().context("the cluster's release")?;
    browser.open(&cluster.at("/plan"))?;
    browser.run(&format!(
        "document.querySelector('#release').value = '{release}'; document.querySelector('.ask').submit();"
    ))?;
    browser.until("document.querySelector('#answer')?.textContent.includes('ClusterVersion version')")?;
    check(browser, "a plan of an update")
}

#[test]
fn everything_is_reached_with_the_keyboard_alone() -> Result<()> {
    let Some((cluster, browser)) = up(&["--nodes", "master=1,worker=2", "--step-time", "20ms"])? else { return Ok(()) };
    browser.look(WIDE)?;
    browser.open(&cluster.page)?;
    let focused = |what: &str| browser.run(&format!("return document.activeElement{what}"));
    browser.press(&[TAB])?;
    ensure!(focused(".textContent")? == "Skip to the contents");
    browser.press(&[ENTER])?;
    browser.until("document.activeElement.id === 'main'")?;
    // From the contents on, Tab reaches every link and button that is shown, in the order of the page.
    let all = browser.run("return [...main.querySelectorAll('a, button, input, select, textarea')].filter((e) => e.checkVisibility()).length")?;
    let all = usize::try_from(all.as_u64().context("a number")?)?;
    ensure!(all >= 8, "{all}");
    browser.run("window.reached = new Set(); document.addEventListener('focusin', (event) => { if (main.contains(event.target)) window.reached.add(event.target); });")?;
    browser.press(&vec![TAB; all])?;
    ensure!(
        browser.run("return window.reached.size")? == all,
        "of {all}: {}",
        browser.run("return window.reached.size")?
    );
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")?;
    ensure!(outline == "solid", "what is focused is not seen: {outline}");
    browser.run("document.querySelector('[data-part=\"n/worker-0\"] a').focus()")?;
    browser.press(&[RIGHT, ENTER])?;
    browser.until("document.querySelector('h1').textContent === 'worker-1'")
}

#[test]
fn hostile_names_are_text_in_a_browser_too() -> Result<()> {
    let Some(browser) = Browser::start()? else { return Ok(()) };
    let hostile = "\"><script>document.title='x'</script><img src=x onerror=\"document.title='x'\">";
    let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
    let pool = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": {"name": hostile},
        "spec": {"nodeSelector": {"matchLabels": {"a": "b"}}, "configuration": {"name": hostile}}});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": hostile, "labels": {"a": "b", "topology.kubernetes.io/zone": hostile},
        "annotations": {key("currentConfig"): "x", key("desiredConfig"): hostile, key("state"): "Degraded", key("reason"): hostile}}});
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("pool.json"), pool.to_string())?;
    std::fs::write(folder.path().join("node.json"), node.to_string())?;
    let (_program, address) = of_files(folder.path())?;
    let (base, _) = address.split_once("/?").context("an address")?;
    browser.look(WIDE)?;
    browser.open(&address)?;
    for view in ["/", "/nodes", "/rollout", "/cluster", "/plan"] {
        browser.open(&format!("{base}{view}"))?;
        let found = browser
            .run("return [document.scripts.length, document.images.length, document.title.endsWith('· weir')]")?;
        ensure!(found == json!([1, 0, true]), "{view}: {found}");
        check(&browser, view)?;
    }
    browser.open(&format!("{base}/nodes"))?;
    browser.run("document.querySelector('.tiles a').click()")?;
    browser.until("document.querySelector('h1').textContent.startsWith('\"><script>')")?;
    ensure!(
        browser.run("return document.querySelector('.kept-note') !== null")? == true,
        "files are not said to be files"
    );
    check(&browser, "the node")
}

#[test]
fn pictures_of_a_rollout_for_the_documentation() -> Result<()> {
    let Some((cluster, browser)) = up(&["--nodes", "master=3,worker=9,infra=3", "--step-time", "700ms"])? else {
        return Ok(());
    };
    browser.open(&cluster.page)?;
    cluster.patch("worker", &json!({"spec": {"osImageStream": {"name": "rhel-9"}, "maxUnavailable": 3}}))?;
    browser.until("document.querySelector('[data-part=\"pool/worker\"]').textContent.includes('rebooting')")?;
    let wide = Look { height: 1000, ..WIDE };
    for (name, path, look) in [
        ("overview", "/", wide),
        ("overview-dark", "/", Look { dark: true, ..wide }),
        ("rollout", "/rollout", Look { height: 800, ..WIDE }),
        ("streams", "/streams", Look { height: 800, ..WIDE }),
        ("phone", "/", NARROW),
    ] {
        browser.look(look)?;
        browser.open(&cluster.at(path))?;
        browser.until("document.querySelector('#state').textContent === 'live'")?;
        let picture = browser.picture()?;
        // Width and height are the first numbers of a PNG (RFC 2083, 4.1.1).
        let number = |at: usize| picture.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
        ensure!((number(16), number(20)) == (Some(look.width), Some(look.height)), "{name}");
        if std::env::var_os(WRITE).is_some() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/user/page");
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join(format!("{name}.png")), picture)?;
        }
    }
    Ok(())
}

/// An answer of a page: status and body.
fn ask(address: &str, method: &str, path: &str, token: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = asked(address, method, path, token, body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    let status = head.split_whitespace().nth(1).context("a status")?.parse()?;
    Ok((status, body.to_owned()))
}

fn asked(address: &str, method: &str, path: &str, token: &str, body: &str) -> Result<TcpStream> {
    let host = address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    Ok(stream)
}

/// Reads the updates of a page until one has this text.
fn until(updates: &mut impl BufRead, text: &str) -> Result<()> {
    let mut line = String::new();
    while updates.read_line(&mut line)? > 0 {
        if line.contains(text) {
            return Ok(());
        }
        line.clear();
    }
    bail!("the updates ended before {text:?}")
}

#[test]
fn in_a_cluster_users_look_with_their_own_rights_and_the_page_outlives_the_api_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let start = |listen: &str| -> Result<(Program, PathBuf)> {
        let mut command = weir();
        command.args(["up", "--step-time", "20ms", "--listen", listen, "--data-dir"]).arg(&data);
        let mut program = Program::start(&mut command)?;
        let kubeconfig = PathBuf::from(program.line()?);
        program.until("every pool is updated")?;
        Ok((program, kubeconfig))
    };
    let (mut server, kubeconfig) = start("127.0.0.1:0")?;
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(()) };
    let printed = folder.path().join("manifests");
    let made =
        weir().args(["manifests", "--image", "registry.example/weir:1", "--dashboard", "-o"]).arg(&printed).status()?;
    ensure!(made.success());
    let mut files: Vec<_> = std::fs::read_dir(&printed)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.to_string_lossy().contains("weir-dashboard"));
    files.sort();
    ensure!(files.len() >= 6, "{files:?}");
    for file in &files {
        kubectl.run(&["apply", "-f", &file.to_string_lossy()])?;
    }
    let token = |namespace: &str, name: &str| -> Result<String> {
        Ok(kubectl.run(&["create", "token", name, "-n", namespace])?.trim().to_owned())
    };
    let mut config: Value = serde_json::from_str(&kubectl.run(&["config", "view", "--raw", "-o", "json"])?)?;
    config["users"][0]["user"] = json!({"token": token("openshift-machine-config-operator", "weir-dashboard")?});
    let own = folder.path().join("kubeconfig");
    std::fs::write(&own, config.to_string())?;
    let address = config["clusters"][0]["cluster"]["server"]
        .as_str()
        .context("a server")?
        .trim_start_matches("https://")
        .to_owned();
    for name in ["nobody", "viewer"] {
        kubectl.run(&["create", "serviceaccount", name, "-n", "default"])?;
    }
    let kinds = "--resource=machineconfigpools.machineconfiguration.openshift.io,machineconfigs.machineconfiguration.openshift.io,nodes";
    kubectl.run(&["create", "clusterrole", "looks", "--verb=list", kinds])?;
    kubectl.run(&[
        "create",
        "clusterrolebinding",
        "looks",
        "--clusterrole=looks",
        "--serviceaccount=default:viewer",
    ])?;
    let mut page = Program::start(
        weir().args(["dashboard", "--access", "users", "--listen", "127.0.0.1:0", "--kubeconfig"]).arg(&own),
    )?;
    let at = page.line()?;
    let (nobody, viewer) = (token("default", "nobody")?, token("default", "viewer")?);
    let (status, said) = ask(&at, "GET", "/", "no-token-of-anybody", "")?;
    ensure!(status == 401 && said.contains("does not know whose token"), "{status} {said}");
    let (status, said) = ask(&at, "GET", "/", &nobody, "")?;
    ensure!(
        status == 403 && said.contains("system:serviceaccount:default:nobody may not list machineconfigpools"),
        "{status} {said}"
    );
    let (status, said) = ask(&at, "GET", "/nodes", &viewer, "")?;
    ensure!(status == 200 && said.contains("worker-2"), "{status} {said}");
    let (status, said) = ask(&at, "POST", "/plan", &viewer, "stream%2Fworker=rhel-9")?;
    ensure!(status == 200 && said.contains("3 nodes reboot") && !said.contains("forbidden"), "{status} {said}");
    let mut updates = BufReader::new(asked(&at, "GET", "/live?page=%2F&picture=0", &viewer, "")?);
    until(&mut updates, "again")?;
    server.kill()?;
    until(&mut updates, "The API server cannot be asked. What is shown is of ")?;
    let (status, said) = ask(&at, "GET", "/nodes", &viewer, "")?;
    ensure!(status == 200 && said.contains("worker-2") && said.contains("not up to date"), "{status} {said}");
    let (_server, _) = start(&address)?;
    until(&mut updates, ">live<")
}
