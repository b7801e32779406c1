//! The steps of first boot and of an update, as a machine's daemon and kubelet perform them.
//!
//! Source: `pkg/daemon/{daemon,update,drain}.go` of github.com/openshift/machine-config-operator.

use crate::{
    environment::Environment,
    faults::{Fault, Kind},
    machine::{self, Told},
};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Resource as _,
    api::{Patch, PatchParams, PostParams},
    core::Request,
};
use serde_json::Value;
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};
use weir_api::MachineConfigNode;
use weir_kubeio::read;
use weir_rules::{
    rollout::actions::Effect,
    status::node_status::{Step, record, status_patch},
    view::{DrainRequest, DrainVerb, NodeView},
};

/// The daemon retries a failed update after a pause that starts at this, doubles, …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … and ends at this (`pkg/daemon/daemon.go`).
const LAST_PAUSE: Duration = Duration::from_mins(1);
/// A drain that takes longer than this counts as failed until it is done (`pkg/daemon/drain.go`).
const DRAIN_PATIENCE: Duration = Duration::from_hours(1);
/// Like [`DRAIN_PATIENCE`], for uncordoning (`pkg/daemon/daemon.go`).
const UNCORDON_PATIENCE: Duration = Duration::from_mins(10);
/// Field manager of the machines' writes.
const FIELD_MANAGER: &str = "machine-config-daemon";

/// How an attempt to update ended.
enum Outcome {
    /// The machine runs the config it was told to.
    Done,
    /// It was told to run something newer meanwhile.
    Newer,
    /// It failed, with this message.
    Failed(String),
    /// Its Node was deleted.
    Gone,
}

/// The daemon and the kubelet of one machine.
pub(crate) struct Agent<'w> {
    pub(crate) environment: &'w Environment,
    pub(crate) name: &'w str,
}

impl Agent<'_> {
    /// First boot: the machine takes its pool's configuration and joins the cluster.
    pub(crate) async fn boot(&self, machine: &crate::Machine, booted: &Told) {
        self.step(&mut Instant::now()).await;
        let object: Node = match serde_json::from_value(machine.joining(booted, self.environment.no_workers)) {
            Ok(object) => object,
            Err(error) => {
                tracing::error!(node = machine.name, %error, "a joining node cannot be built");
                return;
            }
        };
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let create = async || match self.environment.api().create(&parameters, &object).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => created.map(|node| self.environment.seen.nodes.observe(node)),
        };
        self.environment.insist(self.name, create).await;
        self.up(self.environment.os(&booted.config)).await;
    }

    /// Reports a running machine whose Node does not say so yet.
    pub(crate) async fn wake(&self) {
        let config = self.environment.desired(self.name).map(|told| told.config).unwrap_or_default();
        self.up(self.environment.os(&config)).await;
    }

    /// The kubelet says nothing any more.
    pub(crate) async fn stop(&self) {
        self.status(&machine::down(self.environment.now())).await;
    }

    /// Reports an idle machine whose MachineConfigNode does not say so yet.
    pub(crate) async fn rest(&self) {
        let config = self.environment.desired(self.name).map(|told| told.config).unwrap_or_default();
        self.say(&[Step::Resumed { config }]).await;
        self.say(&[Step::Updated { node: self.name.to_owned() }]).await;
    }

    /// Updates until the machine runs the desired config. A failure is retried with growing pauses, or at once
    /// when the desired config changes.
    pub(crate) async fn update(&self) {
        let mut pause = FIRST_PAUSE;
        while let Some(told) = self.environment.desired(self.name) {
            match self.attempt(&told).await {
                Outcome::Done | Outcome::Gone => return,
                Outcome::Newer => pause = FIRST_PAUSE,
                Outcome::Failed(why) => {
                    self.annotate(&machine::degraded(&why)).await;
                    self.say(&[Step::Failed { node: self.name.to_owned(), why }]).await;
                    let lifted = self.environment.is_lifted(self.name);
                    let other = self.environment.until(self.name, |node| {
                        machine::wanted(node).as_ref() != Some(&told)
                            || (!lifted && self.environment.is_lifted(self.name))
                    });
                    // The pause is over or the desired config changed: retry either way.
                    _ = timeout(pause, other).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    async fn attempt(&self, told: &Told) -> Outcome {
        let (environment, config) = (self.environment, told.config.as_str());
        let mut since = Instant::now();
        self.step(&mut since).await;
        if environment.seen.configs.get(config).is_none() {
            return Outcome::Failed(format!("machineconfig.machineconfiguration.openshift.io \"{config}\" not found"));
        }
        let Some(node) = environment.seen.nodes.get(self.name) else { return Outcome::Gone };
        let os = environment.os(config);
        let changes = machine::changes(&node, told, &os);
        let drains = environment.settings.drains && !machine::is_single(&node);
        let effect = environment.effect(&node, told);
        // Another OS than that of its configuration, or one that nothing is known of, takes a reboot.
        let reboots = machine::os(&node) != os || effect.as_ref().is_none_or(Effect::reboots);
        let leaves = drains && changes && (reboots || effect.is_some_and(|effect| effect.drains));
        self.say(&[Step::Needed { node: self.name.to_owned() }, Step::Prepared { drain: leaves }]).await;
        if changes {
            let before = machine::os(&node).to_owned();
            if let Some(end) = self.change(&node, told, (&before, &os), (leaves, reboots), &mut since).await {
                return end;
            }
        } else {
            self.annotate(&machine::working(&node, None)).await;
        }
        match environment.desired(self.name) {
            Some(newer) if newer != *told => return Outcome::Newer,
            Some(_) => {}
            None => return Outcome::Gone,
        }
        self.say(&[Step::Resumed { config: config.to_owned() }]).await;
        if drains {
            if !self.ask(DrainVerb::Uncordon, config, UNCORDON_PATIENCE).await {
                return Outcome::Gone;
            }
            since = Instant::now();
        }
        self.step(&mut since).await;
        self.annotate(&machine::done(told)).await;
        self.say(&[Step::Updated { node: self.name.to_owned() }]).await;
        Outcome::Done
    }

    /// Drains, writes, reboots, the first and the last only where it takes that; returns how the attempt ended, if it did.
    async fn change(
        &self,
        node: &Node,
        told: &Told,
        (before, os): (&str, &str),
        (drains, reboots): (bool, bool),
        since: &mut Instant,
    ) -> Option<Outcome> {
        let config = told.config.as_str();
        let asked = drains.then(|| DrainRequest::text(DrainVerb::Drain, config));
        let stuck = if drains { self.fault(Kind::StuckInDrain, os) } else { None };
        if stuck.is_some() {
            // Before the drain is asked for: whoever carries it out may look at once, and only once.
            self.environment.hold(self.name).await;
        }
        self.annotate(&machine::working(node, asked.as_deref())).await;
        if !drains {
            self.say(&[Step::NoDrain]).await;
        } else {
            if !self.drained(config, stuck).await {
                return Some(Outcome::Gone);
            }
            *since = Instant::now();
        }
        let (changes_os, files) = (before != os || machine::changes_image(node, told), true);
        self.say(&[Step::Applying { os: changes_os, files }]).await;
        self.step(since).await;
        if let Some(fault) = self.fault(Kind::Degraded, os) {
            return Some(Outcome::Failed(fault.reason().to_owned()));
        }
        let succeeded = Step::Succeeded { node: self.name.to_owned() };
        let steps = [Step::Applied { os: changes_os, files }, succeeded, Step::Rebooting];
        self.say(if reboots { &steps } else { &steps[..2] }).await;
        if !reboots {
            return None;
        }
        self.annotate(&machine::rebooting()).await;
        self.status(&machine::down(self.environment.now())).await;
        self.step(since).await;
        if let Some(fault) = self.fault(Kind::NeverReturns, os) {
            self.lifted(fault).await;
            *since = Instant::now();
        }
        let old = self.fault(Kind::ReturnsOnOldImage, os).is_some() && before != os;
        let runs = if old { before } else { os };
        self.up(runs.to_owned()).await;
        self.say(&[Step::Rebooted]).await;
        old.then(|| Outcome::Failed(machine::unexpected_os(config, os, before)))
    }

    /// Requests a drain and waits for it, longer if it is stuck; false when the Node was deleted.
    async fn drained(&self, config: &str, stuck: Option<&Fault>) -> bool {
        let Some(fault) = stuck else {
            return self.ask(DrainVerb::Drain, config, DRAIN_PATIENCE).await;
        };
        let mut drained = pin!(self.ask(DrainVerb::Drain, config, DRAIN_PATIENCE));
        let early = tokio::select! {
            biased;
            there = &mut drained => Some(there),
            () = self.lifted(fault) => None,
        };
        self.environment.let_go(self.name).await;
        match early {
            Some(there) => there,
            None => drained.await,
        }
    }

    /// Waits until a fault is over, or the Node is deleted.
    async fn lifted(&self, fault: &Fault) {
        let lifted = self.environment.until(self.name, |_| self.environment.is_lifted(self.name));
        match fault.lasts {
            Some(time) => _ = timeout(time, lifted).await,
            None => _ = lifted.await,
        }
    }

    /// Requests a drain or its end and waits for it; false when the Node was deleted.
    async fn ask(&self, verb: DrainVerb<'_>, config: &str, patience: Duration) -> bool {
        let wanted = DrainRequest::text(verb, config);
        if self
            .environment
            .seen
            .nodes
            .get(self.name)
            .is_none_or(|node| NodeView::new(&node).desired_drain != DrainRequest::parse(&wanted))
        {
            self.annotate(&machine::asking(&wanted)).await;
        }
        let carried_out = || {
            self.environment.until(self.name, |node| NodeView::new(node).applied_drain == DrainRequest::parse(&wanted))
        };
        if let Ok(there) = timeout(patience, carried_out()).await {
            return there;
        }
        let why = format!(
            "failed to {} node: {} after {} minutes. Please see machine-config-controller logs for more information",
            verb.as_str(),
            self.name,
            patience.as_secs() / 60
        );
        self.annotate(&machine::degraded(&why)).await;
        carried_out().await
    }

    fn fault(&self, kind: Kind, os: &str) -> Option<&Fault> {
        let fault = self.environment.faults.act(kind, self.name, os)?;
        if self.environment.is_lifted(self.name) {
            return None;
        }
        tracing::info!(node = self.name, fault = %kind, "a fault acts");
        Some(fault)
    }

    /// Waits until a step is over, which began when the one before was: what the machine reports is part of its steps.
    async fn step(&self, since: &mut Instant) {
        let factor =
            if self.environment.is_lifted(self.name) { 1.0 } else { self.environment.faults.factor(self.name) };
        *since += self.environment.settings.step.mul_f64(factor);
        sleep_until(*since).await;
        *since = Instant::now().max(*since);
    }

    async fn up(&self, os: String) {
        let running = self.environment.running(self.name, os);
        self.status(&machine::up(self.name, &running, self.environment.now())).await;
    }

    async fn annotate(&self, patch: &Value) {
        self.patch(patch, false).await;
    }

    async fn status(&self, patch: &Value) {
        self.patch(patch, true).await;
    }

    /// Patches the Node. For a deleted one there is nothing left to report.
    async fn patch(&self, patch: &Value, status: bool) {
        let place = Request::new(Node::url_path(&(), None));
        let write = || async {
            let request = if status {
                place.patch_subresource("status", self.name, &parameters(), &Patch::Strategic(patch))
            } else {
                place.patch(self.name, &parameters(), &Patch::Merge(patch))
            };
            match read::answer(&self.environment.client, request).await {
                Ok(node) => self.environment.seen.nodes.observe(node),
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
            }
            Ok(())
        };
        self.environment.insist(self.name, write).await;
    }

    /// Reports steps in the MachineConfigNode, if the machine has one. The drain controller writes to the same list: a
    /// conflicting write is redone.
    async fn say(&self, steps: &[Step]) {
        let reports: Vec<_> = steps.iter().map(Step::report).collect();
        let api = self.environment.api::<MachineConfigNode>();
        let place = Request::new(MachineConfigNode::url_path(&(), None));
        let write = || async {
            let (Some(object), Some(node)) =
                (self.environment.seen.reports.get(self.name), self.environment.seen.nodes.get(self.name))
            else {
                return Ok(());
            };
            let images = self.environment.reports_images();
            let Some(status) = record(&object, &NodeView::new(&node), &reports, images, self.environment.now()) else {
                return Ok(());
            };
            let patch = Patch::Merge(status_patch(&object, &status));
            let request = place.patch_subresource("status", self.name, &parameters(), &patch);
            self.environment.seen.reports.observe(read::answer(&self.environment.client, request).await?);
            Ok(())
        };
        let insisting = || async {
            loop {
                match write().await {
                    Err(kube::Error::Api(status)) if status.is_conflict() => match api.get_opt(self.name).await? {
                        Some(object) => self.environment.seen.reports.observe(object),
                        None => return Ok(()),
                    },
                    Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
                    Err(kube::Error::Api(status)) if status.is_invalid() => {
                        tracing::error!(node = self.name, said = status.message, "a report was refused");
                        return Ok(());
                    }
                    written => return written,
                }
            }
        };
        self.environment.insist(self.name, insisting).await;
    }
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}
