//! What an answer depends on, and nobody can tell: files leave out objects, and a cluster may have lost some. The wording exists only here.

use crate::{
    render::{components::NotRendered, failure::RenderFailure},
    rollout::listed,
    stream::StreamError,
    view::PoolView,
    world::World,
};
use std::fmt;
use weir_api::keys::names::CLUSTER_OPERATOR;

/// What is not known; reads as what it is, a colon, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// What differs between two configurations.
    Differences {
        /// The earlier one.
        from: String,
        /// The later one.
        to: String,
        /// Those of them that are not there; empty if one cannot be read.
        missing: Vec<String>,
        /// Where they are looked for.
        among: Among,
    },
    /// Which objects a rendered configuration comes from.
    Sources {
        /// The configuration.
        config: String,
        /// Why.
        why: NotTraced,
    },
    /// What a pool is rendered from.
    Components {
        /// The pool.
        pool: String,
    },
    /// Which OS image a pool gets.
    Image {
        /// The pool.
        pool: String,
    },
    /// Which features are on.
    Features {
        /// The pool that depends on them.
        pool: String,
        /// Why.
        why: String,
    },
    /// Which stream a pool gets.
    Stream {
        /// The pool.
        pool: String,
        /// Kinds that would say so.
        missing: &'static [&'static str],
    },
    /// Whether what nodes are to reach has a part.
    Holds {
        /// The part.
        part: String,
        /// The rendered configuration.
        config: String,
        /// Where it is looked for.
        among: Among,
    },
    /// Which pools a node is in.
    Pools {
        /// The node.
        node: String,
        /// Pools that every cluster has, and that are not there.
        missing: Vec<&'static str>,
    },
    /// Whether a master goes last, as the one does that runs the operator.
    Order {
        /// The node.
        node: String,
    },
    /// How nodes of a pool are.
    Nodes {
        /// The pool.
        pool: String,
        /// How many of them there are.
        held: usize,
        /// How many the pool counted.
        counted: usize,
    },
    /// What the operator reports.
    Operator {
        /// Where it is looked for.
        among: Among,
    },
    /// Which pods are in the way of a drain.
    Pods {
        /// The node.
        node: String,
        /// Where they are looked for.
        among: Among,
    },
    /// Which objects give something to a file that is generated from several.
    Registries {
        /// Its path.
        file: String,
    },
    /// Which budgets are in the way of a drain.
    Budgets {
        /// The node.
        node: String,
    },
}

/// Where objects are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Files, which may leave out objects.
    Files,
    /// A whole cluster.
    Cluster,
}

/// Why it is not known where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTraced {
    /// The objects render to another one.
    Other {
        /// Its name.
        now: String,
        /// Where they are looked for.
        among: Among,
    },
    /// They cannot be rendered.
    NotRendered(String),
}

impl Among {
    pub(super) fn of(whole: bool) -> Self {
        if whole { Self::Cluster } else { Self::Files }
    }

    fn lacks(self, several: bool) -> &'static str {
        match (self, several) {
            (Self::Files, false) => "is not among the files",
            (Self::Files, true) => "are not among the files",
            (Self::Cluster, false) => "does not exist",
            (Self::Cluster, true) => "do not exist",
        }
    }

    fn operator(self) -> String {
        let lacks = match self {
            Self::Files => "is not among the files",
            Self::Cluster => "does not exist, or may not be read",
        };
        format!("ClusterOperator {CLUSTER_OPERATOR} {lacks}; pools are judged by what else there is")
    }

    fn pods(self) -> &'static str {
        match self {
            Self::Files => "no MachineConfigNode says it, and there are no pods of the node among the files",
            Self::Cluster => "there is no MachineConfigNode of it, and pods and budgets were not read",
        }
    }
}

impl Unknown {
    /// What files leave out, of what keeps a pool from being rendered; absent if it is more than that.
    pub(crate) fn of(failure: &RenderFailure, view: &PoolView<'_>) -> Option<Self> {
        let pool = view.name.to_owned();
        match failure {
            // Without a selector nothing is selected, whatever there is.
            RenderFailure::Components(NotRendered::Nothing(_)) => {
                view.object.spec.machine_config_selector.as_ref().map(|_| Self::Components { pool })
            }
            RenderFailure::NoImages => Some(Self::Image { pool }),
            RenderFailure::Gates(why) => Some(Self::Features { pool, why: why.to_string() }),
            RenderFailure::Stream(StreamError::NoObject { .. }) => {
                Some(Self::Stream { pool, missing: &["OSImageStream"] })
            }
            _ => None,
        }
    }

    /// That files hold fewer nodes of a pool than it counted (R-EXPLAIN-11); absent if they hold all.
    pub(crate) fn of_nodes(world: &World, pool: &PoolView<'_>, held: usize) -> Option<Self> {
        let counted = pool.object.status.as_ref().map_or(0, |status| status.machine_count);
        let counted = usize::try_from(counted).unwrap_or_default();
        (!world.whole && held < counted).then(|| Self::Nodes { pool: pool.name.to_owned(), held, counted })
    }

    /// Why it is not known, without what it is.
    pub(crate) fn why(&self) -> String {
        let said = self.to_string();
        said.split_once(": ").map_or_else(|| said.clone(), |(_, why)| why.to_owned())
    }

    /// The reason in CamelCase.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Differences { .. } => "DifferencesUnknown",
            Self::Sources { .. } => "SourcesUnknown",
            Self::Components { .. } => "ComponentsUnknown",
            Self::Image { .. } => "ImageUnknown",
            Self::Features { .. } => "FeaturesUnknown",
            Self::Stream { .. } => "StreamUnknown",
            Self::Holds { .. } => "TargetUnknown",
            Self::Pools { .. } => "PoolsUnknown",
            Self::Order { .. } => "OrderUnknown",
            Self::Nodes { .. } => "NodesUnknown",
            Self::Operator { .. } => "OperatorUnknown",
            Self::Pods { .. } => "PodsUnknown",
            Self::Registries { .. } => "RegistriesUnknown",
            Self::Budgets { .. } => "BudgetsUnknown",
        }
    }
}

impl fmt::Display for NotTraced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { now, among: Among::Files } => {
                write!(f, "those among the files render to {now}; MachineConfigs changed since, or were left out")
            }
            Self::Other { now, among: Among::Cluster } => {
                write!(f, "the pool renders to {now} now; MachineConfigs changed since")
            }
            Self::NotRendered(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differences { from, to, missing, .. } if missing.is_empty() => {
                write!(f, "what differs between {from} and {to}: one of the two cannot be read")
            }
            Self::Differences { from, to, missing, among } => {
                let lacks = among.lacks(missing.len() > 1);
                write!(f, "what differs between {from} and {to}: {} {lacks}", missing.join(" and "))
            }
            Self::Sources { config, why } => write!(f, "which objects {config} comes from: {why}"),
            Self::Components { pool } => {
                write!(
                    f,
                    "what pool {pool} is rendered from: none of the MachineConfigs that it selects is among the files"
                )
            }
            Self::Image { pool } => {
                write!(
                    f,
                    "which OS image pool {pool} gets: neither a ControllerConfig nor an OSImageStream is among the files"
                )
            }
            Self::Features { pool, why } => {
                write!(f, "which features are on, and so what pool {pool} is rendered to: {why}")
            }
            Self::Stream { pool, missing } => {
                let missing = missing.join(" and no ");
                write!(f, "which stream pool {pool} gets: there is no {missing} among the files")
            }
            Self::Holds { part, config, among } => {
                let lacks = among.lacks(false);
                write!(f, "whether {config}, which the pool's nodes are to reach, has {part}: it {lacks}")
            }
            Self::Pools { node, missing } => {
                let (pools, are) = (listed(missing.iter().copied()), Among::Files.lacks(missing.len() > 1));
                write!(f, "whether node {node} is in other pools: {pools}, which every cluster has, {are}")
            }
            Self::Order { node } => {
                let why = "there are no pods of the operator among the files";
                write!(f, "whether node {node} runs the operator, and so goes after the other masters: {why}")
            }
            Self::Nodes { pool, held, counted } => {
                let others = counted.saturating_sub(*held);
                let (are, lacks) = (if others == 1 { "is: it" } else { "are: they" }, Among::Files.lacks(others != 1));
                write!(f, "how {others} of the {counted} nodes of pool {pool} {are} {lacks}")
            }
            Self::Operator { among } => write!(f, "what the operator reports: {}", among.operator()),
            Self::Pods { node, among } => {
                write!(f, "which pods are in the way of the drain of node {node}: {}", among.pods())
            }
            Self::Registries { file } => {
                let why = "there are no Image, no mirror sets and no image policies among the files";
                write!(f, "which objects give something to file {file}: {why}")
            }
            Self::Budgets { node } => {
                let why = "there are no PodDisruptionBudgets among the files";
                write!(f, "which budget blocks the drain of node {node}: {why}")
            }
        }
    }
}
