//! Random templates, beside what the Go toolchain of this machine makes of them. Without one the test is skipped.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use weir_gotemplate::{Error, Functions, Limits, Signature, Stage, Template, Value};
use weir_recorded::{Absent, skip};

/// Other seeds are tried with WEIR_SEED.
const SEED: u64 = 20_261_130;
const COUNT: usize = 3_000;
/// Maximum depth of what is in braces and in parentheses.
const DEPTH: u32 = 3;
/// What templates may refer to.
const DATA: &str = r#"{
    "S": "text", "E": "", "Q": "a<b> & \"c\" ü\n", "I": 3, "Z": 0, "N": -7, "F": 1.5, "G": 1e21, "B": true, "O": false, "Nil": null,
    "L": ["a", "b", "c"], "K": [1, 2, 3], "None": [], "M": {"k": "v", "a": "w"}, "Empty": {}, "D": {"l": ["x"], "m": {"n": 5}}
}"#;

/// Reads templates from standard input and prints what becomes of each.
const PROGRAM: &str = r#"package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type result struct {
	Output string `json:"output"`
	Stage  string `json:"stage"`
	Error  string `json:"error"`
}

func typed(value interface{}) interface{} {
	switch value := value.(type) {
	case json.Number:
		if !strings.ContainsAny(value.String(), ".eE") {
			number, _ := value.Int64()
			return int(number)
		}
		number, _ := value.Float64()
		return number
	case []interface{}:
		for i := range value {
			value[i] = typed(value[i])
		}
	case map[string]interface{}:
		for key := range value {
			value[key] = typed(value[key])
		}
	}
	return value
}

func one(text string, data interface{}) result {
	parsed, err := template.New("t").Parse(text)
	if err != nil {
		return result{Stage: "parse", Error: err.Error()}
	}
	var output bytes.Buffer
	if err := parsed.Execute(&output, data); err != nil {
		return result{Stage: "execute", Error: err.Error()}
	}
	return result{Output: output.String()}
}

func main() {
	var asked struct {
		Data      interface{}
		Templates []string
	}
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	if err := decoder.Decode(&asked); err != nil {
		panic(err)
	}
	data := typed(asked.Data)
	results := []result{}
	for _, text := range asked.Templates {
		results = append(results, one(text, data))
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		panic(err)
	}
}
"#;

#[derive(Debug, Deserialize)]
struct Said {
    output: String,
    stage: String,
    error: String,
}

struct NoFunctions;

impl Functions for NoFunctions {
    fn signature(&self, _: &str) -> Option<Signature> {
        None
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("{name} is not there"))
    }
}

/// Templates from a seed.
struct Writer {
    state: u64,
}

impl Writer {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(count).unwrap()).unwrap()
    }

    fn of<'p>(&mut self, pieces: &[&'p str]) -> &'p str {
        pieces[self.below(pieces.len())]
    }

    fn template(&mut self) -> String {
        let mut text = self.text(DEPTH);
        // Some are damaged: most of those are errors of syntax.
        if self.below(4) == 0 {
            let characters: Vec<char> = text.chars().collect();
            let at = self.below(characters.len() + 1);
            let cut = at + self.below(3).min(characters.len() - at);
            let inserted = self.of(&["", "", "}", "{{", ")", "|", ".", "\"", "-", "$", "end", ":=", "\n"]);
            text =
                characters[..at].iter().collect::<String>() + inserted + &characters[cut..].iter().collect::<String>();
        }
        text
    }

    fn text(&mut self, depth: u32) -> String {
        (0..=self.below(3)).map(|_| self.node(depth)).collect()
    }

    fn braces(&mut self, inner: &str) -> String {
        let (open, close) = (self.of(&["{{", "{{ ", "{{- "]), self.of(&["}}", " }}", " -}}"]));
        format!("{open}{inner}{close}")
    }

    fn node(&mut self, depth: u32) -> String {
        const PLAIN: [&str; 8] = ["a", " ", "\n", "  b\n", "- ", "ü\t", "{ }", "\n\n  "];
        if depth == 0 {
            return self.of(&PLAIN).to_owned();
        }
        let kind = self.below(12);
        let end = self.braces("end");
        match kind {
            0..=2 => self.of(&PLAIN).to_owned(),
            3..=5 => {
                let inner = self.pipeline(depth);
                self.braces(&inner)
            }
            6 => self.of(&["{{/* c */}}", "{{- /* c\n */ -}}"]).to_owned(),
            7 => {
                let inner = format!("$x := {}", self.pipeline(depth));
                let (set, shown) = (self.braces(&inner), self.braces("$x"));
                let again = format!("$x = {}", self.pipeline(depth));
                let again = self.braces(&again);
                format!("{set}{}{shown}{again}{shown}", self.text(depth - 1))
            }
            8 | 9 => {
                let (word, condition) = (self.of(&["if", "if", "with"]), self.pipeline(depth));
                let begin = self.braces(&format!("{word} {condition}"));
                let (then, other) = (self.text(depth - 1), self.text(depth - 1));
                let more = match self.below(3) {
                    0 => String::new(),
                    1 if word == "if" => {
                        let condition = format!("else if {}", self.pipeline(depth));
                        self.braces(&condition)
                    }
                    _ => self.braces("else"),
                };
                if more.is_empty() { format!("{begin}{then}{end}") } else { format!("{begin}{then}{more}{other}{end}") }
            }
            10 => {
                // Ranges over numbers came later than the oldest Go that this is compared with.
                let over =
                    self.of(&[".L", ".K", ".M", ".None", ".Empty", ".Nil", ".D.l", ".Nope", ".D", "(slice .L 1)"]);
                let names = self.of(&["", "", "$i := ", "$i, $e := "]);
                let begin = self.braces(&format!("range {names}{over}"));
                let shown = match names {
                    "" => self.of(&["{{.}}", "{{break}}", "{{if eq 1 1}}{{continue}}{{end}}", ""]),
                    "$i := " => "{{$i}}",
                    _ => "{{$i}}={{$e}};",
                };
                let body = self.text(depth - 1);
                let more = if self.below(2) == 0 { String::new() } else { self.braces("else") + &self.text(depth - 1) };
                format!("{begin}{shown}{body}{more}{end}")
            }
            _ => {
                let name = format!("\"t{}\"", self.below(1_000_000));
                let (body, with) = (self.text(depth - 1), self.operand(0));
                format!("{{{{define {name}}}}}{body}{{{{end}}}}{{{{template {name} {with}}}}}")
            }
        }
    }

    fn pipeline(&mut self, depth: u32) -> String {
        let mut all = vec![self.command(depth)];
        for _ in 0..self.below(3) {
            let next = self.of(&[
                "len",
                "print",
                "println",
                "printf \"%v|\"",
                "not",
                "printf \"%q\"",
                "eq 3",
                "index .L",
                "and 1",
                "or 0",
            ]);
            all.push(next.to_owned());
        }
        all.join(self.of(&[" | ", "|"]))
    }

    fn command(&mut self, depth: u32) -> String {
        let [a, b] = [0, 1].map(|_| self.operand(depth));
        match self.below(10) {
            0..=3 => a,
            4 => format!("{} {a} {b}", self.of(&["and", "or", "print", "println"])),
            5 => format!("{} {}", self.of(&["not", "len"]), a),
            6 => {
                let [a, b] = [0, 1].map(|_| self.scalar());
                format!("{} {a} {b}", self.of(&["eq", "ne", "lt", "le", "gt", "ge"]))
            }
            7 => {
                let format = self.of(&[
                    "%v", "%s", "%q", "%d", "%5d|", "%-6s|", "%05d", "%x", "%t", "%%", "%.1f", "%6.2f", "%+d", "%v %v",
                    "%[2]v", "%c", "%T",
                ]);
                format!("printf \"{format}\" {a}{}", if self.below(3) == 0 { format!(" {b}") } else { String::new() })
            }
            8 => format!("index {} {}", self.of(&[".L", ".K", ".M", ".D", ".S", ".None", ".Nil"]), self.scalar()),
            _ => format!("slice {} {} {}", self.of(&[".L", ".K", ".S", ".E", ".M"]), self.below(4), self.below(4)),
        }
    }

    fn operand(&mut self, depth: u32) -> String {
        if depth > 0 && self.below(5) == 0 {
            return format!("({})", self.command(depth - 1));
        }
        let of_data = [
            ".", "$", ".L", ".M", ".Nil", ".None", ".Nope", ".M.k", ".M.nope", ".D.m.n", "$.S", ".Nope.x", ".S.x",
            "nil", ".K", ".Empty",
        ];
        if self.below(3) == 0 { self.scalar() } else { self.of(&of_data).to_owned() }
    }

    fn scalar(&mut self) -> String {
        const SCALARS: [&str; 22] = [
            ".S",
            ".E",
            ".Q",
            ".I",
            ".Z",
            ".N",
            ".F",
            ".G",
            ".B",
            ".O",
            "\"text\"",
            "`raw\\n`",
            "\"\\t\\u00fc\"",
            "1",
            "-7",
            "0",
            "1.5",
            "1e3",
            "0x1f",
            "'a'",
            "true",
            "false",
        ];
        self.of(&SCALARS).to_owned()
    }
}

/// What Go makes of the templates; nothing where there is no Go, or one that is too old.
fn of_go(templates: &[String]) -> Option<Vec<Said>> {
    /// The first with `break` and with operands of `and` that are not evaluated.
    const OLDEST: u32 = 18;
    let version = Command::new("go").arg("version").output().ok()?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    println!("{}", version.trim());
    let minor = version.split("go1.").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()?;
    if minor < OLDEST {
        return None;
    }
    let folder = Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("go-{}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    let program = folder.0.join("main.go");
    fs::write(&program, PROGRAM).unwrap();
    let mut go = Command::new("go");
    go.args(["run", "main.go"]).current_dir(&folder.0).stdin(Stdio::piped()).stdout(Stdio::piped());
    go.env("GOCACHE", folder.0.join("cache"))
        .env("GOPATH", folder.0.join("path"))
        .env("GO111MODULE", "off")
        .env("GOTOOLCHAIN", "local");
    let mut go = go.spawn().unwrap();
    let data: Json = serde_json::from_str(DATA).unwrap();
    let asked = json!({ "data": data, "templates": templates }).to_string();
    let mut stdin = go.stdin.take().unwrap();
    // It reads everything before it prints anything.
    stdin.write_all(asked.as_bytes()).unwrap();
    drop(stdin);
    let printed = go.wait_with_output().unwrap();
    assert!(printed.status.success(), "the program does not run");
    Some(serde_json::from_slice(&printed.stdout).unwrap())
}

/// A folder that goes with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn of_ours(template: &str, data: &Value) -> Result<String, Error> {
    Template::parse("t", template, &NoFunctions)?.execute(data, &NoFunctions, Limits::default())
}

/// Whether it is refused on purpose: nothing is printed that could differ.
fn is_refused(ours: &Result<String, Error>) -> bool {
    ours.as_ref().is_err_and(|error| error.reason.contains("is not supported"))
}

/// Whether both are the same: the output, or where it failed. What can only fail may be refused at once.
fn is_same(ours: &Result<String, Error>, go: &Said) -> bool {
    match (ours, go.stage.as_str()) {
        (Ok(output), "") => *output == go.output,
        (Err(_), "") => is_refused(ours),
        (Err(error), "parse") => error.stage == Stage::Parse,
        (Err(error), "execute") => error.stage == Stage::Execute || is_refused(ours),
        _ => false,
    }
}

#[test]
fn random_templates_print_what_go_prints() {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    println!("seed {seed}");
    let mut writer = Writer { state: seed };
    let templates: Vec<String> = (0..COUNT).map(|_| writer.template()).collect();
    let Some(said) = of_go(&templates) else { return skip("random templates beside Go's own", &Absent::Program("go")) };
    let data = Value::generic(&serde_json::from_str(DATA).unwrap());
    let (mut wrong, mut printed, mut refused) = (Vec::new(), 0, 0);
    for (template, go) in templates.iter().zip(&said) {
        let ours = of_ours(template, &data);
        printed += usize::from(go.stage.is_empty());
        refused += usize::from(go.stage.is_empty() && is_refused(&ours));
        if !is_same(&ours, go) {
            wrong.push(format!("{template:?}\n  ours {ours:?}\n  Go   {:?} {:?} {}", go.output, go.stage, go.error));
        }
    }
    println!("{} templates, {printed} of which Go prints, and {refused} of these are refused on purpose", said.len());
    assert!(wrong.is_empty(), "{} of {COUNT} differ:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert_eq!(said.len(), COUNT);
    assert!(printed > COUNT / 4 && refused < printed / 10, "most templates make no sense, or are refused");
}
