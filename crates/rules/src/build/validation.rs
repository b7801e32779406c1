//! Whether a Containerfile can be built at all: what is wrong is found before a Job is begun.
//!
//! R-VALIDATION-1 A file of comments only is accepted: it adds nothing. One with instructions needs a `FROM`.
//! R-VALIDATION-2 Every instruction is known, and has the arguments that it needs.
//! R-VALIDATION-3 Lines continue after the escape character; comments and empty lines in between are skipped; the text of
//! here-documents is not checked.
//! R-VALIDATION-4 `LABEL` takes `key=value`, or one key and one value; `ENV` as well.
//!
//! Source: the Dockerfile reference, <https://docs.docker.com/reference/dockerfile/>; `pkg/controller/build/buildrequest` of
//! github.com/openshift/machine-config-operator.

/// What is wrong with a Containerfile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Containerfile validation failed: {0}")]
pub struct Invalid(String);

/// Longest text that is checked: the user's part is bounded by the API, and what is generated is short.
const LONGEST: usize = 64 << 10;

/// Instructions, and the arguments that they need.
const INSTRUCTIONS: [(&str, &str); 18] = [
    ("add", "source and destination paths"),
    ("arg", "a variable name"),
    ("cmd", "a command or arguments"),
    ("copy", "source and destination paths"),
    ("entrypoint", "a command or arguments"),
    ("env", "key=value pairs"),
    ("expose", "a port"),
    ("from", "a base image"),
    ("healthcheck", ""),
    ("label", "key=value pairs"),
    ("maintainer", ""),
    ("onbuild", "an instruction to execute"),
    ("run", "a command"),
    ("shell", "a shell command array"),
    ("stopsignal", "a signal"),
    ("user", "a username or UID"),
    ("volume", "a mount point"),
    ("workdir", "a directory path"),
];

/// One instruction with its continuation lines as one.
#[derive(Debug)]
pub(super) struct Instruction {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// In lower case.
    pub(super) word: String,
    pub(super) arguments: String,
    /// Its here-documents, in order.
    pub(super) documents: Vec<Document>,
}

impl Instruction {
    /// Whether it begins with this text, compared in capital letters.
    pub(super) fn line_starts(&self, with: &str) -> bool {
        format!("{} {}", self.word.to_uppercase(), self.arguments).starts_with(with)
    }
}

/// A here-document.
#[derive(Debug)]
pub(super) struct Document {
    /// The word that ends it.
    pub(super) word: String,
    /// Whether that is in quotes, so that its text is taken literally.
    pub(super) quoted: bool,
    /// Whether tabs at the beginning of a line are no part of it.
    tabs: bool,
    pub(super) text: String,
}

/// Checks a Containerfile.
///
/// # Errors
/// With the first thing that is wrong.
pub fn validate(text: &str) -> Result<(), Invalid> {
    if text.len() > LONGEST {
        return Err(Invalid(format!("it has {} bytes, at most {LONGEST} are taken", text.len())));
    }
    let instructions = instructions(text);
    if instructions.is_empty() {
        return Ok(());
    }
    if !instructions.iter().any(|found| found.word.starts_with("from")) {
        return Err(Invalid("Containerfile must contain at least one FROM instruction".to_owned()));
    }
    instructions.iter().try_for_each(check)
}

fn check(found: &Instruction) -> Result<(), Invalid> {
    let Instruction { line, word, arguments, .. } = found;
    let Some((_, needs)) = INSTRUCTIONS.iter().find(|(known, _)| known == word) else {
        return Err(Invalid(format!("unknown Dockerfile instruction: {word} (line {line})")));
    };
    let upper = word.to_uppercase();
    let said = without_flags(arguments);
    let words = said.split_whitespace().count();
    if !needs.is_empty() && words == 0 {
        return Err(Invalid(format!("{upper} instruction requires {needs} (line {line})")));
    }
    match word.as_str() {
        "add" | "copy" if words < 2 && !said.contains("<<") => {
            Err(Invalid(format!("{upper} instruction requires {needs} (line {line})")))
        }
        "label" | "env" if !said.contains('=') && words < 2 => {
            Err(Invalid(format!("{upper} must have two arguments, or use key=value form (line {line})")))
        }
        "from" if words != 1 && !is_named_stage(&said) => {
            Err(Invalid(format!("FROM takes an image, or an image, AS and a name (line {line})")))
        }
        "onbuild" => check(&instruction(*line, &said)),
        _ => Ok(()),
    }
}

fn is_named_stage(arguments: &str) -> bool {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    matches!(words[..], [_, as_, _] if as_.eq_ignore_ascii_case("as"))
}

/// What is left of arguments after `--flags`.
fn without_flags(arguments: &str) -> String {
    let words: Vec<&str> = arguments.split_whitespace().skip_while(|word| word.starts_with("--")).collect();
    words.join(" ")
}

fn instruction(line: usize, text: &str) -> Instruction {
    let (word, arguments) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (word, arguments) = (word.to_lowercase(), arguments.trim().to_owned());
    Instruction { line, word, arguments, documents: Vec::new() }
}

/// The instructions of a Containerfile, valid or not.
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if is_passed_over(line) {
            continue;
        }
        let mut whole = line.trim().to_owned();
        while let Some(before) = whole.strip_suffix(escape) {
            whole = before.to_owned();
            match lines.find(|(_, next)| !is_passed_over(next)) {
                Some((_, next)) => whole.push_str(next.trim_end()),
                None => break,
            }
        }
        let mut read = instruction(at + 1, whole.trim());
        if matches!(read.word.as_str(), "run" | "copy" | "add") {
            for mut document in here_documents(&read.arguments) {
                // One without an end takes all that follows.
                let text = lines.by_ref().map(|(_, line)| line);
                for line in text.take_while(|line| line.trim_start_matches('\t') != document.word) {
                    document.text.push_str(if document.tabs { line.trim_start_matches('\t') } else { line });
                    document.text.push('\n');
                }
                read.documents.push(document);
            }
        }
        found.push(read);
    }
    found
}

fn is_passed_over(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The escape character, which a directive at the very top may change.
fn escape(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#')?.split_once('='));
    let said = directives.into_iter().find(|(key, _)| key.trim().eq_ignore_ascii_case("escape"));
    if said.is_some_and(|(_, value)| value.trim() == "`") { '`' } else { '\\' }
}

/// The here-documents that a line begins, without their text.
fn here_documents(arguments: &str) -> Vec<Document> {
    let after = arguments.split("<<").skip(1);
    let ends = after.map(|rest| {
        let word: &str = rest
            .trim_start_matches('-')
            .split(|c: char| c.is_whitespace() || ";|&<>)".contains(c))
            .next()
            .unwrap_or_default();
        let end = word.trim_matches(['"', '\'']);
        Document { word: end.to_owned(), quoted: end != word, tabs: rest.starts_with('-'), text: String::new() }
    });
    ends.filter(|end| end.word.starts_with(|c: char| c.is_alphabetic() || c == '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        validate(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_can_be_built() {
        for text in [
            "",
            "# nothing\n\n",
            "FROM x",
            "  from x as y",
            "FROM --platform=linux/amd64 x AS y",
            "FROM x\nLABEL a=b c",
            "FROM x\nLABEL a b",
            "FROM x\nENV a b",
            "FROM x\nCMD []\nSHELL []\nHEALTHCHECK\nMAINTAINER",
            "FROM x\nRUN a && \\\n  # in between\n\n  b\n",
            "FROM x\nRUN <<EOF\nNOT an instruction\nEOF\nRUN b",
            "FROM x\nRUN cat <<EOF\nwithout an end",
            "FROM x\nCOPY <<a.txt /b\ntext\na.txt",
            "# escape=`\nFROM x\nRUN a `\n  b",
            "FROM x\nRUN echo 1 << 2",
            "FROM x\nONBUILD RUN a",
            "ARG v=1\nFROM x:${v}",
        ] {
            assert_eq!(said(text), "", "{text:?}");
        }
    }

    #[test]
    fn what_cannot() {
        for (text, says) in [
            ("RUN a", "Containerfile must contain at least one FROM instruction"),
            ("FROM", "FROM instruction requires a base image"),
            ("FROM a b", "FROM takes an image"),
            ("FROM x\nLABEL a", "LABEL must have two arguments"),
            ("FROM x\nENV a", "ENV must have two arguments"),
            ("FROMAGE x", "unknown Dockerfile instruction: fromage"),
            ("FROM x\nINSTALL a", "unknown Dockerfile instruction: install (line 2)"),
            ("FROM x\nRUN --mount=type=bind,from=y", "RUN instruction requires a command"),
            ("FROM x\nRUN \\\n", "RUN instruction requires a command"),
            ("FROM x\nCOPY a", "COPY instruction requires source and destination paths"),
            ("FROM x\nONBUILD", "ONBUILD instruction requires an instruction to execute"),
            ("FROM x\nONBUILD NOTHING", "unknown Dockerfile instruction: nothing"),
            ("FROM x\nRUN <<EOF\na\nEOF\nNOTHING", "unknown Dockerfile instruction: nothing (line 5)"),
        ] {
            let said = said(text);
            assert!(said.starts_with("Containerfile validation failed: ") && said.contains(says), "{text:?}: {said}");
        }
        assert_eq!(said(&"#".repeat(LONGEST)), "");
        assert!(said(&"#".repeat(LONGEST + 1)).contains("at most"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_looked_at(text in "(?s).{0,300}") {
            let _ = validate(&text);
        }
    }
}
