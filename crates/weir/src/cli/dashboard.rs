//! `weir dashboard`: the page.

use super::{Cluster, print};
use crate::{exit::Outcome, page, rollout_objects, signals::asked_to_stop};
use anyhow::Result;
use clap::ValueEnum;
use jiff::Timestamp;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::timeout;
use weir_dashboard::{Door, Files, Key, Reviews, Source, Watching};
use weir_kubeio::Clock;

/// Show a page: which operating system runs where, what moves, who waits for what, how long still, and what to do
///
/// Of a cluster, which is only read, or of files, such as a must-gather. Nothing can be changed from the page.
#[derive(Debug, clap::Args)]
pub struct Dashboard {
    /// Files with manifests or lists, folders (read recursively) and archives of folders, such as a must-gather; `-` for
    /// standard input; without any, the cluster is watched
    #[arg(short = 'f', long = "from", visible_alias = "filename", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// Where the page listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A name by which the page is reached, beside addresses and localhost
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Who may look
    #[arg(long, value_name = "WHO", value_enum, default_value_t, conflicts_with_all = ["files", "open"])]
    access: Access,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
}

/// Who may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Access {
    /// Whoever has the address that is printed: it has a token in it
    #[default]
    Token,
    /// Users whose own token the API server knows, and who may list pools, MachineConfigs and nodes
    Users,
}

/// Threads of the runtime: a page needs no more.
const THREADS: usize = 2;
/// How long the first look at a cluster may take before the page opens without it.
const FIRST_LOOK: Duration = Duration::from_secs(10);

impl Dashboard {
    pub(super) fn run(&self) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let outcome = runtime.block_on(async {
            tokio::select! {
                ended = self.show() => ended,
                stopped = asked_to_stop() => stopped.map(|()| Outcome::Done),
            }
        });
        runtime.shutdown_background();
        outcome
    }

    async fn show(&self) -> Result<Outcome> {
        let page = page::bind(self.listen).await?;
        if !self.files.is_empty() {
            let world = rollout_objects::everything_of_files(&self.files)?;
            let named = match self.files.as_slice() {
                [one] => one.display().to_string(),
                several => format!("{} files and folders", several.len()),
            };
            let files = Files::new(world, named, Timestamp::now());
            return self.serve(page, Arc::new(files), None).await;
        }
        let client = self.cluster.connect("dashboard").await?;
        let watching = Watching::new(client.clone(), Clock::system(), page::read_all());
        let source = Arc::new(watching.clone());
        let filled = watching.clone();
        tokio::select! {
            () = filled.fill() => Ok(Outcome::Failed),
            served = async {
                // A cluster that does not say everything is shown as far as it does.
                _ = timeout(FIRST_LOOK, watching.synced()).await;
                let reviews = (self.access == Access::Users).then(|| Reviews::new(client));
                self.serve(page, source, reviews).await
            } => served,
        }
    }

    async fn serve(
        &self,
        page: weir_dashboard::Page,
        source: Arc<dyn Source>,
        reviews: Option<Reviews>,
    ) -> Result<Outcome> {
        let token = reviews.is_none().then(page::token);
        let address = page::address(&page, token.as_deref());
        let key = match (reviews, token) {
            (Some(reviews), _) => Key::User(reviews),
            (None, token) => Key::Token(token.unwrap_or_default()),
        };
        print(format!("{address}\n").as_bytes())?;
        if self.open {
            page::open(&address);
        }
        // Users would read releases with the page's credentials instead of their own.
        let page = if self.access == Access::Token { page.with_updates(page::updates(None)) } else { page };
        page.serve(source, Door::new(key, self.host.clone())).await;
        Ok(Outcome::Done)
    }
}
