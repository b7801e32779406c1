//! Examples in the help of every subcommand. `STREAM` and `DISTRIBUTION` in them stand for a name that there is.

use clap::Command;
use std::fmt::Write as _;
use weir_distro::Profile;

/// The words of a subcommand, and commands with what they are for.
type Of = (&'static [&'static str], &'static [(&'static str, &'static str)]);

/// For each subcommand that does something.
const EXAMPLES: &[Of] = &[
    (
        &["up"],
        &[
            ("weir up", "a sample release with six nodes, until Ctrl-C"),
            (
                "weir up --distribution DISTRIBUTION --nodes master=3,worker=5,infra=2",
                "another distribution, and a pool of its own",
            ),
            ("weir up --data-dir ./cluster", "a cluster that survives the process"),
            ("weir up --until updated --timeout 60s", "for scripts"),
            ("weir up --story list", "lives of clusters, to be watched"),
        ],
    ),
    (
        &["fleet"],
        &[(
            "weir fleet --nodes worker=50 --step-time 200ms --kubeconfig ./kubeconfig",
            "fifty workers for any API server",
        )],
    ),
    (
        &["run", "all"],
        &[
            ("weir run all --kubeconfig ./kubeconfig --release oci:./payload", "on an API server that is no OpenShift"),
            ("weir run all --take-over", "in place of another operator, from then on"),
        ],
    ),
    (
        &["run", "controller"],
        &[
            ("weir run controller --metrics-bind 0.0.0.0:9797", "as its deployment runs it"),
            ("weir run controller --notify-url https://hooks.example.com/a", "and somebody hears of rollouts"),
        ],
    ),
    (
        &["run", "operator"],
        &[("weir run operator --operator-image registry.example.com/weir:1", "as its deployment runs it")],
    ),
    (
        &["run", "builder"],
        &[("weir run builder --operator-image registry.example.com/weir:1", "as its deployment runs it")],
    ),
    (
        &["get", "osimagestream"],
        &[
            (
                "weir get osimagestream --release-image oci:./payload --output-format yaml",
                "which streams a release has",
            ),
            ("weir get osimagestream --release-image oci:./payload -o wide", "a table of them"),
            (
                "weir get osimagestream --release-image registry.example.com/release:1 --authfile ./auth.json",
                "from a registry",
            ),
        ],
    ),
    (
        &["get", "default-node-image"],
        &[("weir get default-node-image --release-image oci:./payload", "for installers")],
    ),
    (
        &["get", "os-image-pullspec"],
        &[(
            "weir get os-image-pullspec --release-image oci:./payload --osimagestream-name STREAM",
            "the image of one stream",
        )],
    ),
    (
        &["payload", "build"],
        &[
            ("weir payload build --distribution DISTRIBUTION -o ./payload", "the distribution's sample"),
            (
                "weir payload build --distribution DISTRIBUTION --version 5.1.0 --streams STREAM -o ./payload",
                "another version",
            ),
        ],
    ),
    (
        &["payload", "push"],
        &[("weir payload push ./payload registry.example.com/release --authfile ./auth.json", "to a registry")],
    ),
    (&["payload", "inspect"], &[("weir payload inspect oci:./payload", "streams, images, distribution")]),
    (
        &["render"],
        &[
            ("weir render -f ./manifests", "every pool"),
            (
                "weir render -f ./must-gather.tar.gz --pool worker --explain",
                "one of them, and where each part comes from",
            ),
        ],
    ),
    (
        &["lint"],
        &[("weir lint -f ./manifests", "before a merge"), ("weir lint -f ./manifests -o sarif", "for a code host")],
    ),
    (
        &["generate"],
        &[("weir generate -f ./must-gather --release registry.example.com/release:1", "what the cluster generates")],
    ),
    (&["bootstrap"], &[("weir bootstrap --manifest-dir ./manifests --dest-dir ./rendered", "for the first machines")]),
    (
        &["build"],
        &[
            (
                "weir build --machineosconfig ./worker.yaml --rendered ./rendered.yaml --print-containerfile",
                "what would be built",
            ),
            ("weir build --machineosconfig ./worker.yaml --rendered ./rendered.yaml --push", "build and push"),
        ],
    ),
    (
        &["status"],
        &[
            ("weir status", "all pools"),
            ("weir status worker --watch", "one, as it goes on"),
            ("weir status -f ./must-gather", "of a cluster that is not here"),
            ("weir status --svg status.svg", "and a picture, for a change board"),
        ],
    ),
    (
        &["dashboard"],
        &[
            ("weir dashboard", "of the cluster that kubectl talks to"),
            ("weir dashboard -f ./must-gather", "of a cluster that is not here"),
        ],
    ),
    (
        &["plan"],
        &[
            ("weir plan -f ./99-worker.yaml", "who reboots, and in which order"),
            ("weir plan --stream worker=STREAM --from ./must-gather", "a switch, on a cluster that is not here"),
            ("weir plan -f ./99-worker.yaml --svg plan.svg", "and a picture, for a change board"),
        ],
    ),
    (&["history"], &[("weir history worker", "its last rollouts"), ("weir history worker-0", "what became of a node")]),
    (
        &["why"],
        &[
            ("weir why node/worker-0", "what a node waits for"),
            ("weir why co/machine-config", "what is wrong with the operator"),
        ],
    ),
    (
        &["switch"],
        &[
            ("weir switch worker STREAM --dry-run", "only show what would happen"),
            ("weir switch worker STREAM", "show it, and do it"),
        ],
    ),
    (
        &["pause"],
        &[
            ("weir pause worker --for 4h --reason quarter-end", "for an afternoon"),
            ("weir pause worker", "until somebody resumes it"),
        ],
    ),
    (&["resume"], &[("weir resume worker", "before its time")]),
    (
        &["wait"],
        &[
            ("weir wait worker --for updated --timeout 30m", "in a script, after a change"),
            ("weir wait worker --for stream=STREAM", "after a switch"),
        ],
    ),
    (
        &["update"],
        &[
            ("weir update --to oci:./payload --dry-run", "only show what would happen"),
            ("weir update --to oci:./payload", "show it, and do it"),
        ],
    ),
    (
        &["import"],
        &[("weir import ./must-gather.tar.gz --data-dir ./rehearsal", "then: weir up --data-dir ./rehearsal")],
    ),
    (&["explain", "distro"], &[("weir explain distro --diff", "the whole difference")]),
    (
        &["explain", "file"],
        &[("weir explain file /etc/chrony.conf --pool worker", "which MachineConfig it comes from")],
    ),
    (&["explain", "rollout"], &[("weir explain rollout --pool worker", "what each node waits for")]),
    (
        &["explain", "rule"],
        &[("weir explain rule R-ROLLOUT-2", "one rule"), ("weir explain rule R-DRAIN", "all of a kind")],
    ),
    (&["explain", "stream"], &[("weir explain stream --pool worker", "its stream, and why")]),
    (&["explain", "take-over"], &[("weir explain take-over -f ./must-gather", "before weir takes over")]),
    (
        &["sim"],
        &[
            ("weir sim --seeds 100", "a hundred lives"),
            ("weir sim --seed 42 --trace", "one of them again, line by line"),
        ],
    ),
    (
        &["diff"],
        &[
            ("weir diff node/worker-0 mcp/worker", "what the node is still to get"),
            ("weir diff mcp/worker -f ./before --against ./after", "between two must-gathers"),
        ],
    ),
    (&["extract"], &[("weir extract mcp/worker --all ./files", "everything as it lands on disk")]),
    (&["crds"], &[("weir crds | kubectl apply --server-side -f -", "for an API server without them")]),
    (
        &["manifests"],
        &[("weir manifests --image registry.example.com/weir:1 | kubectl apply -f -", "to run weir in a cluster")],
    ),
    (
        &["apiserver"],
        &[("weir apiserver --data-dir ./objects --kubeconfig ./kubeconfig", "without anything beside it")],
    ),
    (
        &["completions"],
        &[("source <(weir completions bash)", "in ~/.bashrc"), ("weir completions fish | source", "in config.fish")],
    ),
    (&["man"], &[("weir man ./man", "then: man ./man/weir-up.1")]),
];

/// The commands of an example as they are printed.
fn filled(command: &str) -> String {
    let profile = Profile::all().last();
    let stream = profile.and_then(|profile| profile.sample.streams.first()).map_or("", |stream| stream.name.as_str());
    command.replace("STREAM", stream).replace("DISTRIBUTION", profile.map_or("", |profile| profile.name.as_str()))
}

/// A command whose subcommands end their help with examples.
pub(super) fn added(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (words, examples)| add(command, words, examples))
}

fn add(command: Command, words: &[&'static str], examples: &[(&str, &str)]) -> Command {
    match words {
        [] => command.after_help(text(examples)),
        [first, rest @ ..] => command.mut_subcommand(first, |inner| add(inner, rest, examples)),
    }
}

fn text(examples: &[(&str, &str)]) -> String {
    let mut text = "Examples:".to_owned();
    for (command, what) in examples {
        // Writing to a string cannot fail.
        _ = write!(text, "\n  {}\n      {what}", filled(command));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::command, *};

    /// Subcommands that do something, by their words.
    fn leaves(of: &Command, words: &[String]) -> Vec<Vec<String>> {
        let visible = of.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
        let inner: Vec<Vec<String>> =
            visible.flat_map(|inner| leaves(inner, &[words, &[inner.get_name().to_owned()]].concat())).collect();
        if inner.is_empty() { vec![words.to_vec()] } else { inner }
    }

    #[test]
    fn every_subcommand_has_examples() {
        let all = leaves(&command(), &[]);
        assert!(all.len() > 30, "{all:?}");
        for words in &all {
            let is_it = |of: &Of| of.0.iter().eq(words.iter());
            assert!(EXAMPLES.iter().any(is_it), "{words:?} has no example");
        }
        assert_eq!(all.len(), EXAMPLES.len());
    }

    #[test]
    fn examples_are_commands_that_are_understood() {
        for (words, examples) in EXAMPLES {
            for (example, _) in *examples {
                let example = filled(example);
                let start = example.find("weir ").unwrap();
                let own = example[start..].split(['|', ')']).next().unwrap();
                let parsed = command().try_get_matches_from(own.split_whitespace());
                assert!(parsed.is_ok(), "{words:?}: {example}: {}", parsed.unwrap_err());
                assert!(own.starts_with(&format!("weir {}", words.join(" "))), "{example}");
            }
        }
    }

    #[test]
    fn help_shows_them() {
        let asked = command().try_get_matches_from(["weir", "switch", "--help"]).unwrap_err();
        let help = asked.to_string();
        assert!(help.contains("Examples:\n  weir switch worker ") && help.contains("--dry-run\n"), "{help}");
        assert!(!help.contains("STREAM "), "{help}");
    }
}
