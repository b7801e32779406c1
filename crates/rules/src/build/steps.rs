//! What a Containerfile makes of an image without running anything.
//!
//! R-STEPS-1 The base is that of the build; a stage continues an earlier stage, and the last one is the image.
//! R-STEPS-2 ADD takes the archive of the rendered MachineConfig's files, COPY here-documents, with `--chmod` and `--chown` in
//! numbers. LABEL and ENV are taken as they are.
//! R-STEPS-3 Every other instruction needs a program to run, or files that are not there: it is refused with its line and with what to
//! do. Nothing is left out silently.
//! R-STEPS-4 Variables are not expanded, so `$` is refused outside of here-documents whose delimiter is quoted.
//!
//! Source: the Dockerfile reference, <https://docs.docker.com/reference/dockerfile/>.

use super::{
    containerfile::context,
    root::{Entry, What},
    validation::{Instruction, instructions},
};
use std::collections::BTreeMap;

/// The image that is to be made on the base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Its layers, from below.
    pub layers: Vec<Layer>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Variables of its environment.
    pub variables: BTreeMap<String, String>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Files and units of the rendered MachineConfig.
    Root,
    /// Files that the Containerfile holds.
    Files(Vec<Entry>),
}

/// A step that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the Containerfile, {text:?}: {why}")]
pub struct NotMade {
    /// The line of the generated Containerfile, from 1.
    pub line: usize,
    /// The instruction.
    pub text: String,
    /// Why not, and what to do.
    pub why: String,
}

/// Permissions of a file without `--chmod`.
const MODE: u32 = 0o644;
/// Longest part of an instruction that a message repeats.
const SHOWN: usize = 120;
const RUNS: &str = "this builder runs no program; use COPY with here-documents, LABEL and ENV, or install buildah, with which it can be run";

/// What a Containerfile for an image on `base` makes.
///
/// # Errors
/// With the first step that cannot be made.
pub fn steps(containerfile: &str, base: &str) -> Result<Steps, NotMade> {
    let mut stages: BTreeMap<String, Steps> = BTreeMap::new();
    let (mut current, mut name) = (Steps::default(), None::<String>);
    for found in instructions(containerfile) {
        let refuse = |why: String| NotMade { line: found.line, text: shown(&found), why };
        if found.word == "from" {
            if let Some(name) = name.take() {
                stages.insert(name, current.clone());
            }
            let (stage, as_) = from(&found, base, &stages).map_err(refuse)?;
            (current, name) = (stage, as_);
            continue;
        }
        step(&mut current, &found).map_err(refuse)?;
    }
    Ok(current)
}

/// The stage that a FROM continues, and the name of the new one.
fn from(found: &Instruction, base: &str, stages: &BTreeMap<String, Steps>) -> Result<(Steps, Option<String>), String> {
    let words: Vec<&str> = found.arguments.split_whitespace().skip_while(|word| word.starts_with("--")).collect();
    let image = words.first().copied().unwrap_or_default();
    let name = words.get(2).map(|name| name.to_lowercase());
    if let Some(stage) = stages.get(&image.to_lowercase()) {
        return Ok((stage.clone(), name));
    }
    if image == base {
        return Ok((Steps::default(), name));
    }
    Err(format!(
        "an image is made on the pool's base alone; begin with \"FROM configs AS final\", which is that with the pool's configuration (there is no stage {image:?} before)"
    ))
}

fn step(image: &mut Steps, found: &Instruction) -> Result<(), String> {
    match found.word.as_str() {
        "add" if found.arguments == format!("{} /", context::ROOT) => image.layers.push(Layer::Root),
        "copy" => image.layers.push(copy(found)?),
        "label" => image.labels.extend(pairs(&found.arguments)?),
        "env" => image.variables.extend(pairs(&found.arguments)?),
        "run" => return Err(RUNS.to_owned()),
        other => {
            let upper = other.to_uppercase();
            return Err(format!(
                "{upper} is not made by this builder, which runs no program and only takes FROM, COPY, LABEL and ENV"
            ));
        }
    }
    Ok(())
}

fn copy(found: &Instruction) -> Result<Layer, String> {
    let (flags, words): (Vec<&str>, Vec<&str>) = {
        let all: Vec<&str> = found.arguments.split_whitespace().collect();
        let end = all.iter().take_while(|word| word.starts_with("--")).count();
        (all[..end].to_vec(), all[end..].to_vec())
    };
    let (mut mode, mut owner) = (MODE, (0, 0));
    for flag in flags {
        match flag.split_once('=') {
            Some(("--chmod", text)) => {
                let parsed = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
                mode = parsed.ok_or_else(|| format!("{flag} is no octal mode such as --chmod=0755"))?;
            }
            Some(("--chown", text)) => {
                owner = ids(text).ok_or_else(|| format!("{flag} is not in numbers, as in --chown=0:0"))?
            }
            _ => return Err(format!("{flag} is not taken: files come from here-documents alone")),
        }
    }
    let Some((target, sources)) = words.split_last() else { return Err("it has no target".to_owned()) };
    if sources.is_empty()
        || sources.len() != found.documents.len()
        || sources.iter().any(|word| !word.starts_with("<<"))
    {
        return Err(
            "there is no folder to copy from; give the content as a here-document, as in \"COPY <<EOF /etc/motd\""
                .to_owned(),
        );
    }
    if !target.starts_with('/') || target.split('/').any(|part| part == "..") {
        return Err(format!("{target} is no path from the root"));
    }
    let folder = target.ends_with('/');
    if sources.len() > 1 && !folder {
        return Err(format!("several files go into a folder: write {target}/"));
    }
    let files = found.documents.iter().map(|document| {
        if !document.quoted && document.text.contains('$') {
            return Err(format!("{} holds a $, and variables are not expanded: write <<'{0}'", document.word));
        }
        let path = if folder { format!("{target}{}", document.word) } else { (*target).to_owned() };
        Ok(Entry { path, mode, owner, what: What::File(document.text.clone().into_bytes()) })
    });
    files.collect::<Result<_, _>>().map(Layer::Files)
}

fn ids(text: &str) -> Option<(u64, u64)> {
    let (user, group) = text.split_once(':').unwrap_or((text, text));
    Some((user.parse().ok()?, group.parse().ok()?))
}

/// `key=value …` with quotes, or one key and one value.
fn pairs(arguments: &str) -> Result<Vec<(String, String)>, String> {
    if arguments.contains('$') {
        return Err("it holds a $, and variables are not expanded: write the value".to_owned());
    }
    let words = words(arguments)?;
    if let Some((key, value)) = arguments.split_once(char::is_whitespace)
        && !key.contains('=')
    {
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{word:?} is not key=value; put a value with spaces into quotes")),
    };
    words.into_iter().map(pair).collect()
}

/// Words between spaces, without their quotes and escapes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                begun = true;
                word.extend(letters.next());
            }
            ('"' | '\'', None) => (quote, begun) = (Some(letter), true),
            (end, Some(open)) if end == open => quote = None,
            (space, None) if space.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (other, _) => {
                begun = true;
                word.push(other);
            }
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    if begun {
        words.push(word);
    }
    Ok(words)
}

pub(super) fn shown(found: &Instruction) -> String {
    let text = format!("{} {}", found.word.to_uppercase(), found.arguments);
    if text.chars().count() <= SHOWN { text } else { format!("{}…", text.chars().take(SHOWN).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str) -> Result<Steps, String> {
        let text = format!("FROM b@1 AS configs\nADD root.tar /\nLABEL machineconfig=r1\n{user}");
        steps(&text, "b@1").map_err(|error| error.to_string())
    }

    #[test]
    fn layers_labels_and_variables_follow_one_another() {
        let made = of("FROM configs AS final\n\
                       COPY <<EOF /etc/motd\nhello\nEOF\n\
                       COPY --chmod=0755 --chown=1000:7 <<'A' <<\"B\" /opt/\n$x\nA\ny\nB\n\
                       LABEL a=b c=\"d e\" f='g'\nLABEL one word and more\nENV A=1 \\\n B=2\n")
        .unwrap();
        let file = |path: &str, mode, owner, text: &str| Entry {
            path: path.into(),
            mode,
            owner,
            what: What::File(text.as_bytes().to_vec()),
        };
        let motd = vec![file("/etc/motd", 0o644, (0, 0), "hello\n")];
        let opt = vec![file("/opt/A", 0o755, (1000, 7), "$x\n"), file("/opt/B", 0o755, (1000, 7), "y\n")];
        assert_eq!(made.layers, [Layer::Root, Layer::Files(motd), Layer::Files(opt)]);
        let all = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let labels = all(&[("machineconfig", "r1"), ("a", "b"), ("c", "d e"), ("f", "g"), ("one", "word and more")]);
        assert_eq!(made.labels, labels);
        assert_eq!(made.variables, all(&[("A", "1"), ("B", "2")]));
    }

    #[test]
    fn the_last_stage_is_the_image() {
        let made = of("FROM configs AS one\nLABEL a=1\nFROM Configs\nLABEL b=2").unwrap();
        assert!(made.labels.contains_key("b") && !made.labels.contains_key("a"));
        assert!(made.labels.contains_key("machineconfig"));
        assert_eq!(of("").unwrap().layers, [Layer::Root]);
    }

    #[test]
    fn nothing_is_left_out_without_a_word() {
        for (user, says) in [
            (
                "RUN dnf install -y tree",
                "line 4 of the Containerfile, \"RUN dnf install -y tree\": this builder runs no program",
            ),
            ("FROM configs AS final\nRUN a \\\n b", "line 5"),
            ("FROM other", "no stage \"other\""),
            ("USER 1", "USER is not made by this builder"),
            ("ADD a /b", "ADD is not made"),
            ("COPY a /b", "give the content as a here-document"),
            ("COPY --from=x /a /b", "--from=x is not taken"),
            ("COPY --chmod=u+x <<E /b\nE", "no octal mode"),
            ("COPY --chown=core <<E /b\nE", "not in numbers"),
            ("COPY <<E b\nE", "no path from the root"),
            ("COPY <<E /a/../b\nE", "no path from the root"),
            ("COPY <<E <<F /b\nE\nF", "write /b/"),
            ("COPY <<E /b\n$x\nE", "write <<'E'"),
            ("LABEL a=$b", "variables are not expanded"),
            ("LABEL a=\"b", "not closed"),
            ("LABEL a=b c", "\"c\" is not key=value"),
        ] {
            let said = of(user).unwrap_err();
            assert!(said.contains(says), "{user:?}: {said}");
        }
        assert!(of(&format!("RUN {}", "x".repeat(500))).unwrap_err().len() < 500);
    }
}
