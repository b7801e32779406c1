//! Every decision weir takes, as pure functions from views to values that also say why.
//!
//! | module | decides |
//! |---|---|
//! | [`catalog`] | which OS image streams a release carries, and which one is the default |
//! | [`gates`] | which features are on |
//! | [`mismatch`] | what contradicts the distribution that was chosen |
//! | [`release`] | which version a cluster was installed with |
//! | [`stream`] | which OS image stream a pool gets |
//! | [`switch`] | which pools move when one of them names another stream |
//! | [`controller_config`] | what the ControllerConfig of a real cluster says |
//! | [`machine_configuration`] | what the operator writes of the MachineConfiguration |
//! | [`node_disruption`] | what a change does to a node instead of a reboot |
//! | [`boot_images`], [`boot_image_skew`] | whose boot images follow the release, and how old they are held to be |
//! | [`user_data`] | what a new machine of a pool boots with |
//! | [`registry_ca`] | where others find all registries' certificates |
//! | [`server_ca`] | when nodes are told that the API server's CA changed |
//! | [`components`] | which MachineConfigs a pool is rendered from, and whether it may be rendered now |
//! | [`membership`] | which pool a node belongs to |
//! | [`lost`] | which nodes should have a pool and have none, and which pools that concerns |
//! | [`max_unavailable`] | how many nodes of a pool may be down at once |
//! | [`settle`] | when a pool's new target is told to its first node |
//! | [`rollout`] | which nodes may start their update now, and what the others wait for |
//! | [`drain`] | which pods a node that is to be drained loses now, and who is in the way |
//! | [`node_status`] | what the MachineConfigNode of a node says |
//! | [`pool_status`] | what the status of a pool says |
//! | [`render`] | what configuration a pool's machines get, and what it is called |
//! | [`reconcilable`] | which changes of a configuration a running machine can follow |
//! | [`unreadable`] | what an object that is there and cannot be read keeps from being decided |
//! | [`unsupported`] | which settings nobody makes MachineConfigs of yet |
//! | [`generated`] | whether what was generated for kubelets is of the feature gates that are on |
//! | [`notices`] | what users of a pool should know although it keeps nothing from working |
//! | [`guard`] | what must not be rolled out although it can be rendered |
//! | [`goyaml`] | the text that a rendered MachineConfig's name is a hash of |
//! | [`built_in`] | the pools that every cluster has |
//! | [`masters`] | what labels and taints nodes of the control plane have |
//! | [`marks`] | which build the ControllerConfig is of |
//! | [`templates`] | whether what was generated still belongs to the ControllerConfig |
//! | [`take_over`] | which build's work is continued by who takes over from another operator |
//! | [`policies`] | what the API server is to refuse |
//! | [`operands`] | which objects the operator applies and deletes, and whether their pods are there |
//! | [`cluster_status`] | what the ClusterOperator says, and whether the cluster may be updated |
//! | [`required`] | whether the pools that a cluster's update waits for have taken it in |
//! | [`figures`] | what its state is in numbers |
//! | [`explain`] | all of it about one pool, for people and for scripts |
//! | [`selector`] | which objects a label selector matches |
//! | [`update_history`] | which releases ClusterVersion says the cluster ran, and whether the last is complete |
//! | [`unused`] | which rendered MachineConfigs nobody needs any more |
//! | [`settled`] | whether a pool has come to rest |
//! | [`edit`] | which fields of an object are to be written |
//! | [`conditions`] | how a list of conditions changes |
//! | [`quoted`] | how a machine's words look inside a message |
//! | [`check`] | whether a plan keeps the promises, judged independently of how it was made |
//! | [`view`] | API objects turned into what the rules read |

pub mod boot_image_skew;
pub mod boot_images;
pub mod built_in;
pub mod catalog;
pub mod check;
pub mod cluster_status;
pub mod components;
pub mod conditions;
pub mod controller_config;
pub mod drain;
pub mod edit;
pub mod explain;
pub mod figures;
pub mod gates;
pub mod generated;
pub mod goyaml;
pub mod guard;
pub mod lost;
pub mod machine_configuration;
pub mod marks;
pub mod masters;
pub mod max_unavailable;
pub mod membership;
pub mod mismatch;
pub mod node_disruption;
pub mod node_status;
pub mod notices;
pub mod operands;
pub mod policies;
pub mod pool_status;
pub mod quoted;
pub mod reconcilable;
pub mod registry_ca;
pub mod release;
pub mod render;
pub mod required;
pub mod rollout;
pub mod selector;
pub mod server_ca;
pub mod settle;
pub mod settled;
pub mod stream;
pub mod switch;
pub mod take_over;
pub mod templates;
pub mod unreadable;
pub mod unsupported;
pub mod unused;
pub mod update_history;
pub mod user_data;
pub mod view;
