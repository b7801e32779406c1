//! Here-documents of a Containerfile as files that lie beside it: not every buildah reads them.
//!
//! R-DOCUMENTS-1 What COPY and ADD take from here-documents are files beside the Containerfile, with the same name and mode. Flags
//! and other sources stay.
//! R-DOCUMENTS-2 Variables in a here-document are not expanded then, so `$` is refused unless the delimiter is quoted.
//! R-DOCUMENTS-3 Here-documents of RUN are left alone where the builder reads them, and refused where it does not.
//!
//! Source: the Dockerfile reference, <https://docs.docker.com/reference/dockerfile/#here-documents>; buildah reads them since 1.33,
//! see `CHANGELOG.md` of github.com/containers/buildah.

use super::{
    steps::{NotMade, shown},
    validation::{Document, Instruction, instructions},
};

/// Folder of the files, beside the Containerfile.
const FOLDER: &str = "documents";

/// A Containerfile without here-documents, and what was in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The Containerfile.
    pub containerfile: String,
    /// Path beside it, and content.
    pub files: Vec<(String, String)>,
}

/// Takes here-documents out of a Containerfile. `reads_in_run` is whether the builder reads those of RUN.
///
/// # Errors
/// With the first one that cannot be taken out.
pub fn beside(containerfile: &str, reads_in_run: bool) -> Result<Beside, NotMade> {
    let all = instructions(containerfile);
    let mut made = Beside { containerfile: String::new(), files: Vec::new() };
    let mut lines = containerfile.split_inclusive('\n').enumerate().peekable();
    for (at, found) in all.iter().enumerate() {
        let refuse = |why: String| NotMade { line: found.line, text: shown(found), why };
        // Comments before it stay.
        while let Some((_, line)) = lines.next_if(|(number, _)| number + 1 < found.line) {
            made.containerfile.push_str(line);
        }
        let next = all.get(at + 1).map_or(usize::MAX, |next| next.line);
        let own: String =
            std::iter::from_fn(|| lines.next_if(|(number, _)| number + 1 < next)).map(|(_, l)| l).collect();
        match found.word.as_str() {
            "copy" | "add" if !found.documents.is_empty() => {
                let (line, files) = taken_out(found).map_err(refuse)?;
                made.containerfile.push_str(&line);
                made.files.extend(files);
            }
            "run" if !found.documents.is_empty() && !reads_in_run => {
                let why = "this buildah reads no here-document in RUN, one from 1.33 on does; write the commands in lines that end \
                           with \"&& \\\", or COPY a script and run it";
                return Err(refuse(why.to_owned()));
            }
            _ => made.containerfile.push_str(&own),
        }
    }
    // Comments without any instruction.
    made.containerfile.extend(lines.map(|(_, line)| line));
    Ok(made)
}

/// The instruction with files in place of its here-documents, and these files.
fn taken_out(found: &Instruction) -> Result<(String, Vec<(String, String)>), String> {
    let (mut words, mut files, mut documents) = (vec![found.word.to_uppercase()], Vec::new(), found.documents.iter());
    for word in found.arguments.split_whitespace() {
        if !word.starts_with("<<") {
            words.push(word.to_owned());
            continue;
        }
        let document = documents.next().ok_or_else(|| format!("{word} begins no here-document"))?;
        let path = format!("{FOLDER}/{}/{}", found.line, name(document)?);
        words.push(path.clone());
        files.push((path, document.text.clone()));
    }
    Ok((words.join(" ") + "\n", files))
}

fn name(document: &Document) -> Result<&str, String> {
    let name = document.word.as_str();
    if name.contains('/') {
        return Err(format!("{name} is the name of a file, and has a slash: write another word"));
    }
    if !document.quoted && document.text.contains('$') {
        return Err(format!("{name} holds a $, and variables are not expanded: write <<'{name}'"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_the_place_of_documents() {
        let text = "# first\nFROM a\n\nCOPY --chmod=0755 <<A other <<-'B' /opt/\nx\nA\n\t$y\nB\n# then\nRUN <<EOF\na\nEOF\nLABEL b=c";
        let made = beside(text, true).unwrap();
        assert_eq!(
            made.containerfile,
            "# first\nFROM a\n\nCOPY --chmod=0755 documents/4/A other documents/4/B /opt/\nRUN <<EOF\na\nEOF\nLABEL b=c"
        );
        let file = |name: &str, text: &str| (format!("documents/4/{name}"), text.to_owned());
        assert_eq!(made.files, [file("A", "x\n"), file("B", "$y\n")]);
        let plain = "FROM a\nRUN b && \\\n  c\n\n# end\n";
        assert_eq!(beside(plain, false).unwrap(), Beside { containerfile: plain.to_owned(), files: Vec::new() });
        assert_eq!(beside("", false).unwrap().containerfile, "");
    }

    #[test]
    fn what_would_not_be_the_same_is_refused() {
        for (text, says) in [
            ("FROM a\nRUN <<EOF\nb\nEOF\n", "line 2 of the Containerfile, \"RUN <<EOF\": this buildah reads no"),
            ("FROM a\nCOPY <<EOF /b\n$c\nEOF\n", "write <<'EOF'"),
            ("FROM a\nCOPY <<a/../b /c\nd\na/../b\n", "has a slash"),
            ("FROM a\nCOPY <<EOF <<1 /c/\nd\nEOF\n", "<<1 begins no here-document"),
        ] {
            let said = beside(text, false).unwrap_err().to_string();
            assert!(said.contains(says), "{text:?}: {said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_has_no_documents_stays_as_it_is(text in "[a-zA-Z#\\\\ \n]{0,200}") {
            proptest::prop_assert_eq!(beside(&text, false).unwrap().containerfile, text);
        }
    }
}
