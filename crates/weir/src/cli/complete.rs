//! Completion of names from the cluster, as a shell asks for it while somebody types.

use super::Cluster;
use clap::Command;
use clap_complete::{ArgValueCompleter, CompletionCandidate, env::Shells};
use futures::future::join_all;
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::Duration,
};
use weir_api::{MachineConfig, MachineConfigPool, OSImageStream, keys::names::CLUSTER};

/// Somebody is typing: later answers are of no use.
const PATIENCE: Duration = Duration::from_secs(1);
/// The variable by which a shell asks.
pub const VARIABLE: &str = "WEIR_COMPLETE";
const NAME: &str = "weir";
/// A list as a table (Kubernetes API concepts, "Receiving resources as Tables").
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// The format of the column that holds the name of an object.
const NAME_FORMAT: &str = "name";

/// A list as a table (meta.k8s.io/v1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    column_definitions: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Column {
    #[serde(default)]
    format: String,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
}

/// What an argument names.
#[derive(Clone, Copy, Debug)]
enum What {
    Pool,
    Stream,
    /// `mcp/NAME` or `node/NAME`.
    Subject,
    /// A pool or a node, by its name alone.
    PoolOrNode,
    /// A file on machines.
    File,
}

/// Arguments by subcommand and id.
const ARGUMENTS: [(&str, &str, What); 16] = [
    ("render", "pool", What::Pool),
    ("status", "pool", What::Pool),
    ("history", "what", What::PoolOrNode),
    ("why", "what", What::Subject),
    ("switch", "pool", What::Pool),
    ("pause", "pool", What::Pool),
    ("resume", "pool", What::Pool),
    ("wait", "pool", What::Pool),
    ("switch", "stream", What::Stream),
    ("file", "pool", What::Pool),
    ("file", "path", What::File),
    ("rollout", "pool", What::Pool),
    ("stream", "pool", What::Pool),
    ("diff", "from", What::Subject),
    ("diff", "to", What::Subject),
    ("extract", "from", What::Subject),
];

/// A command whose arguments are completed.
pub(super) fn added(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let of =
        |id: &str| ARGUMENTS.iter().find(|(of, argument, _)| *of == name && *argument == id).map(|(.., what)| *what);
    // An argument that is changed becomes the last one: with all that go by their place changed in turn, these keep it.
    let wanted: Vec<(String, Option<What>)> = command
        .get_arguments()
        .map(|argument| (argument, of(argument.get_id().as_str())))
        .filter(|(argument, what)| argument.is_positional() || what.is_some())
        .map(|(argument, what)| (argument.get_id().to_string(), what))
        .collect();
    let command = wanted.into_iter().fold(command, |command, (id, what)| {
        command.mut_arg(id, |argument| match what {
            Some(what) => argument.add(ArgValueCompleter::new(move |current: &OsStr| candidates(what, current))),
            None => argument,
        })
    });
    command.mut_subcommands(added)
}

/// The names that begin with what was typed; none when the cluster does not say.
fn candidates(what: What, current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.map(|runtime| runtime.block_on(async { tokio::time::timeout(PATIENCE, names(what)).await }));
    let Ok(Ok(Ok(names))) = asked else { return Vec::new() };
    names.into_iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

async fn names(what: What) -> anyhow::Result<Vec<String>> {
    let client = Client::try_from(cluster(std::env::args_os()).config().await?)?;
    let pools = || listed::<MachineConfigPool>(client.clone());
    let nodes = || listed::<k8s_openapi::api::core::v1::Node>(client.clone());
    let named =
        |kind: &str, names: Vec<String>| names.into_iter().map(|name| format!("{kind}/{name}")).collect::<Vec<_>>();
    Ok(match what {
        What::Pool => pools().await?,
        What::Stream => {
            let streams: OSImageStream = Api::all(client.clone()).get(CLUSTER).await?;
            let available = streams.status.map(|status| status.available_streams).unwrap_or_default();
            available.into_iter().map(|stream| stream.name).collect()
        }
        What::Subject => {
            let (pools, nodes) = tokio::try_join!(pools(), nodes())?;
            [named("mcp", pools), named("node", nodes)].concat()
        }
        What::PoolOrNode => {
            let (pools, nodes) = tokio::try_join!(pools(), nodes())?;
            [pools, nodes].concat()
        }
        What::File => files(&client).await?,
    })
}

/// Paths of the files that pools are rendered to; those of the pool that the line names, if it names one.
async fn files(client: &Client) -> anyhow::Result<Vec<String>> {
    let pools: Vec<MachineConfigPool> =
        Api::all(client.clone()).list(&ListParams::default()).await?.into_iter().collect();
    let named = option(std::env::args_os(), "--pool");
    let is_asked = |pool: &&MachineConfigPool| named.as_ref().is_none_or(|named| pool.name_any() == *named);
    let targets = pools.iter().filter(is_asked).filter_map(|pool| pool.spec.configuration.as_ref());
    let targets: BTreeSet<&str> = targets.map(|config| config.name()).collect();
    let configs: Api<MachineConfig> = Api::all(client.clone());
    let found = join_all(targets.into_iter().map(|name| configs.get_opt(name))).await;
    let mut paths = BTreeSet::new();
    for config in found.into_iter().flatten().flatten() {
        let files = config.spec.config.as_ref().and_then(|config| config["storage"]["files"].as_array());
        paths.extend(files.into_iter().flatten().filter_map(|file| Some(file["path"].as_str()?.to_owned())));
    }
    Ok(paths.into_iter().collect())
}

/// Names of all objects of a kind, by the table that the API server prints for people: without what else the objects hold, which
/// for a thousand nodes is megabytes.
async fn listed<K: kube::Resource<DynamicType = ()>>(client: Client) -> anyhow::Result<Vec<String>> {
    let path = format!("{}?includeObject=None", K::url_path(&(), None));
    let request = http::Request::get(path).header(http::header::ACCEPT, TABLE).body(Vec::new())?;
    let table: Table = client.request(request).await?;
    let name = table.column_definitions.iter().position(|column| column.format == NAME_FORMAT);
    let names = table.rows.into_iter().map(|row| row.cells.into_iter().nth(name.unwrap_or_default()));
    Ok(names.filter_map(|name| Some(name?.as_str()?.to_owned())).collect())
}

/// The cluster that the unfinished command line names.
fn cluster(arguments: impl Iterator<Item = OsString>) -> Cluster {
    let words: Vec<OsString> = arguments.collect();
    let value = |name: &str| option(words.iter().cloned(), name);
    Cluster { kubeconfig: value("--kubeconfig").map(PathBuf::from), context: value("--context") }
}

/// The value of an option on the unfinished command line, which cannot be parsed yet.
fn option(arguments: impl Iterator<Item = OsString>, name: &str) -> Option<String> {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let apart = words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == name).map(|(_, value)| value.clone());
    let joined = || words.iter().find_map(|word| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
    apart.or_else(joined)
}

/// What a shell runs at its start so that it asks.
pub(super) fn script(shell: clap_complete::Shell) -> anyhow::Result<Vec<u8>> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let found = shells.completer(&name).ok_or_else(|| anyhow::anyhow!("there are no completions for {name}"))?;
    let mut script = Vec::new();
    found.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::{super::command, *};

    #[test]
    fn arguments_that_are_completed_are_there() {
        fn all(command: &Command, found: &mut Vec<(String, String)>) {
            found.extend(command.get_arguments().map(|arg| (command.get_name().to_owned(), arg.get_id().to_string())));
            command.get_subcommands().for_each(|inner| all(inner, found));
        }
        let mut found = Vec::new();
        all(&command(), &mut found);
        for (name, id, _) in ARGUMENTS {
            assert!(found.contains(&(name.to_owned(), id.to_owned())), "{name} {id}");
        }
    }

    #[test]
    fn the_cluster_is_the_one_of_the_unfinished_line() {
        let of = |line: &str| cluster(line.split(' ').map(OsString::from));
        let found = of("weir -- weir switch --kubeconfig ./k --context=dev wor");
        assert_eq!((found.kubeconfig, found.context), (Some("./k".into()), Some("dev".to_owned())));
        let found = of("weir -- weir status --kubeconfig");
        assert_eq!((found.kubeconfig, found.context), (None, None));
    }

    #[test]
    fn every_shell_gets_a_script_that_asks() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(script(*shell).unwrap()).unwrap();
            assert!(script.contains(VARIABLE) && script.contains(NAME), "{shell}: {script}");
        }
    }
}
