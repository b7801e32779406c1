//! Image mode: when the OS image of a pool is built, from what, and how it went.
//!
//! A MachineOSConfig asks for image mode on a pool. Each image is a MachineOSBuild, named after what goes into it: equal
//! builds are one object, and a cluster that another implementation of the API kept goes on with the builds it has.
//!
//! | module | decides |
//! |---|---|
//! | [`identity`] | what a build is called, and which objects are its own |
//! | [`limits`] | which names and references cannot work, and what to write instead |
//! | [`base`] | which image is built on |
//! | [`extensions`] | which packages extensions and kernel types are |
//! | [`containerfile`] | the steps of a build |
//! | [`ready`] | whether something can be built now, and what |
//! | [`documents`] | here-documents as files, for a builder that does not read them |
//! | [`output`] | what is told of a build that failed |
//! | [`root`] | files and units of a MachineConfig on disk |
//! | [`steps`] | what of a Containerfile is made without running anything |
//! | [`validation`] | whether a Containerfile can be built at all |
//! | [`logins`] | whether a Secret has logins, and the form in which builds get them |
//! | [`inputs`] | what a build reads, as objects |
//! | [`job`] | the Job that builds, and what its pod may do |
//! | [`outcome`] | what the Job left: a digest that can be believed, or why there is none |
//! | [`pending`] | why the pod of a build does not start |
//! | [`plan`] | what is to be done now: build, build again, use again, cancel, or nothing |
//! | [`progress`] | how far a Job is |
//! | [`conditions`] | what a MachineOSBuild says, and when it may be changed |
//! | [`pool`] | what the pool says of its build |
//! | [`counted`] | what is counted of builds as it happens |
//! | [`seed`] | an image that was brought along at the installation |
//! | [`built_on`] | which stream a pool's image is built on, and whether it has to be built anew |
//! | [`pinned`] | the MachineConfig that pins this image, and the way out |
//! | [`prune`] | which images and builds go |
//! | [`told`] | events and figures |
//!
//! Source: `pkg/controller/build` of github.com/openshift/machine-config-operator.

pub mod base;
pub mod built_on;
pub mod conditions;
pub mod containerfile;
pub mod counted;
pub mod documents;
pub mod extensions;
pub mod identity;
pub mod inputs;
pub mod job;
pub mod limits;
pub mod logins;
pub mod outcome;
pub mod output;
pub mod pending;
pub mod pinned;
pub mod plan;
pub mod pool;
pub mod progress;
pub mod prune;
pub mod ready;
pub mod root;
pub mod seed;
pub mod steps;
pub mod told;
pub mod validation;
