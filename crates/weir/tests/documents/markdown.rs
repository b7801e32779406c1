//! The code blocks of a page, and the commands in them. CONTRIBUTING.md says how they are marked.

use anyhow::{Context as _, Result, bail};

/// A code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Line of its first line of text, from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: String,
}

/// What a code block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Commands, to be run.
    Commands,
    /// Commands that need a real cluster.
    Cluster,
    /// What the last command before it prints.
    Output,
    /// A file of this name, for commands anywhere on the page.
    File(String),
    /// Something to look at.
    Data,
}

/// A command, which may be several lines long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Where it begins, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
}

const FENCE: &str = "```";

/// The blocks of a page, in order.
///
/// # Errors
/// A block that is not marked as any of [`Kind`], or does not end.
pub fn blocks(page: &str) -> Result<Vec<Block>> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = page.lines().enumerate();
    let mut before = "";
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix(FENCE) else {
            before = if line.trim().is_empty() { before } else { line };
            continue;
        };
        let mut text = String::new();
        loop {
            let (_, line) = lines.next().with_context(|| format!("line {}: the block does not end", at + 1))?;
            if line == FENCE {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        let kind = kind(info, before, blocks.last()).with_context(|| format!("line {}", at + 1))?;
        blocks.push(Block { line: at + 2, kind, text });
        before = "";
    }
    Ok(blocks)
}

/// `before` is the line of text before the block.
fn kind(info: &str, before: &str, last: Option<&Block>) -> Result<Kind> {
    let file = before.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->"));
    match (info, file) {
        ("sh", _) => Ok(Kind::Commands),
        ("sh cluster", _) => Ok(Kind::Cluster),
        ("text", _) if matches!(last, Some(Block { kind: Kind::Commands, .. })) && before.is_empty() => {
            Ok(Kind::Output)
        }
        ("text", _) => bail!("this output does not follow the commands that print it"),
        ("yaml" | "toml" | "json", Some(name)) => Ok(Kind::File(name.to_owned())),
        ("yaml" | "toml" | "json", None) => Ok(Kind::Data),
        (other, _) => {
            bail!("a block marked {other:?} is neither run nor known to be none; CONTRIBUTING.md lists the marks")
        }
    }
}

/// The commands of a block that begins at a line. Lines that end in a backslash go on, and so do here-documents.
pub fn commands(first: usize, text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut whole = line.to_owned();
        let end = line.split_once("<<").map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
        let end = end.map(|word| word.trim_matches(['\'', '"']).to_owned());
        while whole.ends_with('\\') || end.as_ref().is_some_and(|end| whole.lines().last() != Some(end)) {
            let Some((_, next)) = lines.next() else { break };
            whole.push('\n');
            whole.push_str(next);
        }
        commands.push(Command { line: first + at, text: whole });
    }
    commands
}

/// Whether a printed text is the one that is shown, in which `…` stands for anything in a line, and a line of nothing else for
/// any lines. Blanks at the end of lines are none.
pub fn is_shown(shown: &str, printed: &str) -> bool {
    let lines =
        |text: &str| -> Vec<String> { text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect() };
    let any = |line: &String| line == "…";
    matches(&lines(shown), &lines(printed), &any, &|shown, printed| {
        let parts: Vec<char> = shown.chars().collect();
        matches(&parts, &printed.chars().collect::<Vec<_>>(), &|c| *c == '…', &|a, b| a == b)
    })
}

/// Compares two lists of which the first may hold wildcards that stand for any number of items.
fn matches<T>(shown: &[T], printed: &[T], any: &dyn Fn(&T) -> bool, same: &dyn Fn(&T, &T) -> bool) -> bool {
    // reached[j]: what is shown so far can be the first j items.
    let mut reached = vec![false; printed.len() + 1];
    reached[0] = true;
    for item in shown {
        if any(item) {
            let first = reached.iter().position(|reached| *reached).unwrap_or(reached.len());
            reached.iter_mut().enumerate().for_each(|(at, reached)| *reached = at >= first);
        } else {
            for at in (1..reached.len()).rev() {
                reached[at] = reached[at - 1] && same(item, &printed[at - 1]);
            }
            reached[0] = false;
        }
    }
    reached[printed.len()]
}

#[test]
fn blocks_are_told_by_their_marks_and_others_are_refused() {
    let page =
        "a\n\n```sh\nls\n```\n\n```text\nx\n```\n\n<!-- file: a.yaml -->\n```yaml\na: 1\n```\n```sh cluster\noc\n```\n";
    let found: Vec<(usize, Kind)> = blocks(page).unwrap().into_iter().map(|block| (block.line, block.kind)).collect();
    let file = Kind::File("a.yaml".to_owned());
    assert_eq!(found, [(4, Kind::Commands), (8, Kind::Output), (13, file), (16, Kind::Cluster)]);
    for (bad, said) in [
        ("```\nls\n```\n", "marked \"\""),
        ("```bash\nls\n```\n", "marked \"bash\""),
        ("```sh\nls\n", "does not end"),
        ("```text\nx\n```\n", "does not follow"),
        ("```sh\nls\n```\nand then\n```text\nx\n```\n", "does not follow"),
    ] {
        let error = format!("{:#}", blocks(bad).unwrap_err());
        assert!(error.contains(said) && error.contains("line "), "{error}");
    }
}

#[test]
fn commands_go_on_over_lines() {
    let text = "a   # b\n\n# c\nd \\\n  e\ncat <<'X'\n f\nX\ng\n";
    let found: Vec<(usize, String)> = commands(10, text).into_iter().map(|c| (c.line, c.text)).collect();
    let expected = [(10, "a   # b"), (13, "d \\\n  e"), (15, "cat <<'X'\n f\nX"), (18, "g")];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
}

#[test]
fn output_is_what_is_shown_or_it_is_not() {
    for (shown, printed, same) in [
        ("a\nb\n", "a  \nb", true),
        ("a\nb\n", "a\n", false),
        ("a\n", "a\nb\n", false),
        ("rendered-… done\n", "rendered-0af3 done\n", true),
        ("rendered-… done\n", "rendered-0af3 doing\n", false),
        ("a\n…\nz\n", "a\nb\nc\nz\n", true),
        ("a\n…\nz\n", "a\nb\nc\n", false),
        ("…b\n", "ab\n", true),
        ("…\n", "", true),
    ] {
        assert_eq!(is_shown(shown, printed), same, "{shown:?} {printed:?}");
    }
}
