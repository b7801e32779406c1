//! The YAML writer against an independent one: random documents, text equal byte for byte.
//!
//! Two of them: one in Python, beside the workspace, and kubectl. Where one is absent, a line says so.
#![allow(clippy::unwrap_used, reason = "a test: what the generator makes is as it should be")]

use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};
use weir_rules::render::goyaml;

const DOCUMENTS: usize = 10_000;
/// Another sequence of documents: set `WEIR_SEED`.
const SEED: u64 = 20_260_820;

/// MD5 of all texts for [`SEED`], so that a change shows where there is no oracle.
const FROZEN: &str = "bc2bcecc0c8f574ab2a59c9dc900877c";

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 46] = [
            "",
            "y",
            "No",
            "true",
            "~",
            "null",
            ".inf",
            "-.INF",
            ".NaN",
            "0",
            "0644",
            "0x1F",
            "0b+1",
            "-0b11",
            "1_000",
            "1e3",
            "1e400",
            ".5_0",
            "1.",
            "+1",
            "-9223372036854775808",
            "9223372036854775808",
            "18446744073709551616",
            "12:30:45",
            "190:20:30.15",
            "1:2:",
            "2020-01-01",
            "2020-02-30",
            "2020-1-1 1:2:3.4",
            "2020-01-01T00:00:00Z",
            "2020-01-01t23:59:59+24:60",
            "---",
            "...",
            "-",
            "?",
            ":",
            "- a",
            "a: b",
            "a #b",
            "#",
            "!t",
            "&x",
            "@",
            "it's",
            "\"q\"",
            "data:text/plain;charset=utf-8;base64,SGVsbG8=",
        ];
        const PIECES: [&str; 40] = [
            "a",
            "word ",
            "word ",
            "word ",
            " ",
            "  ",
            "\n",
            "\n",
            "\t",
            "\r",
            "\u{85}",
            "\u{2028}",
            "\u{2029}",
            "\u{a0}",
            "\u{feff}",
            "😀",
            "é",
            "漢",
            "\0",
            "\u{1}",
            "\x1b",
            "\"",
            "\\",
            "'",
            ":",
            "#",
            ",",
            "[",
            "}",
            "%",
            "`",
            "|",
            ">",
            "-",
            "0",
            "_",
            ".",
            "[Unit]\nA=b\n",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "=",
        ];
        match self.below(4) {
            0 => self.pick(&WORDS).to_owned(),
            1 => {
                let (one, other) = (self.pick(&WORDS), self.pick(&PIECES));
                if self.below(2) == 0 { format!("{one}{other}") } else { format!("{other}{one}") }
            }
            2 => (0..self.below(60)).map(|_| self.pick(&["word ", "long-word ", "x ", "y", "  ", "it's "])).collect(),
            _ => (0..self.below(12)).map(|_| self.pick(&PIECES)).collect(),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        const KEYS: [&str; 12] = [
            "contents",
            "source",
            "path",
            "mode",
            "enabled",
            "units",
            "dropins",
            "sizeMiB",
            "ignition",
            "version",
            "user",
            "shouldExist",
        ];
        match self.below(if depth == 0 { 6 } else { 10 }) {
            0..4 => Value::from(self.text()),
            4 => json!(self.pick(&[0_i64, 420, -1, i64::MAX, 1 << 40])),
            5 => json!(self.below(2) == 0),
            6 | 7 => (0..self.below(4)).map(|_| self.value(depth - 1)).map(listless).collect(),
            _ => {
                let fields = (0..self.below(5)).map(|_| (self.pick(&KEYS).to_owned(), self.value(depth - 1)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

/// No list stands in a list in any configuration.
fn listless(value: Value) -> Value {
    if value.is_array() { Value::from("list") } else { value }
}

fn documents(seed: u64) -> Vec<Value> {
    let mut random = Random(seed);
    let spec = |random: &mut Random| {
        let arguments = [random.text(), random.text()];
        json!({ "config": { "ignition": random.value(3) }, "kernelArguments": arguments })
    };
    (0..DOCUMENTS).map(|_| spec(&mut random)).collect()
}

const WHAT: &str = "YAML compared with the oracle";

/// What the oracle writes for each; `None` where it cannot run.
fn oracle(documents: &[Value]) -> Option<impl Iterator<Item = String> + use<>> {
    let folder = weir_recorded::reference(WHAT, "spike/oracle")?;
    const PROGRAM: &str = "import sys, json\nfrom emit import emit\nfor line in sys.stdin:\n    \
                           print(json.dumps(emit(json.loads(line))))";
    let started = Command::new("python3")
        .args(["-c", PROGRAM])
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut python) = started else {
        weir_recorded::skip(WHAT, &weir_recorded::Absent::Program("python3"));
        return None;
    };
    let mut stdin = python.stdin.take().unwrap();
    let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
    std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(stdin, "{line}")).unwrap());
    let answers = BufReader::new(python.stdout.take().unwrap()).lines();
    Some(answers.map(|line| serde_json::from_str(&line.unwrap()).unwrap()))
}

#[test]
fn as_the_oracle_writes() {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED);
    println!("seed {seed}, {DOCUMENTS} documents");
    let documents = documents(seed);
    let Some(answers) = oracle(&documents) else { return };
    let pairs: Vec<(Value, String)> = documents.into_iter().zip(answers).collect();
    assert_eq!(pairs.len(), DOCUMENTS);
    for (document, expected) in pairs {
        assert_eq!(goyaml::to_string(&document).unwrap(), expected, "{document}");
    }
}

/// How every object begins that kubectl prints here; nothing inside of one stands in the first column.
const FIRST_LINE: &str = "apiVersion: example.com/v1\n";
/// kubectl reads this many objects before it prints the first.
const BATCH: usize = 2_500;

/// What kubectl prints for these objects, one after the other; `None` where it is not installed.
fn kubectl(objects: &[Value]) -> Option<String> {
    let started = Command::new("kubectl")
        // Nothing is asked of a server, and the label is there already.
        .args(["label", "--local", "--filename", "-", "--output", "yaml", "a=b"])
        .env("KUBECONFIG", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        weir_recorded::skip("YAML compared with kubectl", &weir_recorded::Absent::Program("kubectl"));
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = objects.iter().map(Value::to_string).collect();
    let writer = std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(stdin, "{line}")).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn as_kubectl_writes() {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED);
    println!("seed {seed}, {DOCUMENTS} documents");
    let object = |spec| json!({"apiVersion": "example.com/v1", "kind": "X", "metadata": {"labels": {"a": "b"}, "name": "x"}, "spec": spec});
    let objects: Vec<Value> = documents(seed).into_iter().map(object).collect();
    for batch in objects.chunks(BATCH) {
        let Some(printed) = kubectl(batch) else { return };
        let texts: Vec<&str> = printed.split(FIRST_LINE).skip(1).collect();
        assert_eq!(texts.len(), batch.len());
        for (object, text) in batch.iter().zip(texts) {
            assert_eq!(goyaml::to_string(object).unwrap(), format!("{FIRST_LINE}{text}"), "{object}");
        }
    }
}

#[test]
fn as_ever() {
    let mut digest = Md5::new();
    for document in documents(SEED) {
        digest.update(goyaml::to_string(&document).unwrap());
    }
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, FROZEN);
}
