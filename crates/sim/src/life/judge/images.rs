//! What must hold for images that are built.

use super::{Judge, text};
use crate::story::judge::annotation;
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// What an image has in it of a configuration: two that agree in this need no other image.
const DECIDES: [&str; 4] = ["osImageURL", "kernelType", "extensions", "kernelArguments"];

impl<'a> Judge<'a> {
    /// Notes which pools are in image mode.
    pub(super) fn layered(&mut self, at: Instant) {
        let of = self.in_image_mode();
        for (name, past) in &mut self.pools {
            past.layered.note(at, of.contains(name.as_str()));
        }
    }

    /// Those that are now.
    pub(super) fn in_image_mode(&self) -> BTreeSet<&'a str> {
        let all = self.now.iter().filter(|((kind, _), _)| *kind == "MachineOSConfig").map(|(_, config)| *config);
        all.map(|config| text(&config["spec"]["machineConfigPool"]["name"])).collect()
    }

    /// Notes which images a node runs and is to run.
    pub(super) fn images(&mut self, at: Instant, name: &str, node: &Value) {
        let images = ["currentImage", "desiredImage"].map(|key| annotation(node, key).unwrap_or_default().to_owned());
        self.nodes.entry(name.to_owned()).or_default().images.note(at, images);
    }

    /// A node of a pool was told something: whether the image is one for it, given what could be known since then.
    pub(super) fn image(&mut self, at: Instant, name: &str, (pool, since): (&str, Instant), node: &Value) {
        let (told, image) = (annotation(node, "desiredConfig"), annotation(node, "desiredImage"));
        let (told, image) = (told.unwrap_or_default(), image.unwrap_or_default());
        let Some(past) = self.pools.get(pool) else { return };
        let layered: BTreeSet<bool> = past.layered.since(since).copied().collect();
        match (image.is_empty(), layered.contains(&true), layered.contains(&false)) {
            (true, true, false) => {
                self.violated(at, format!("{name} was told {told} without an image, and {pool} is in image mode"));
            }
            (false, false, _) => {
                self.violated(at, format!("{name} was told image {image}, and {pool} is not in image mode"));
            }
            (false, _, _) => {
                if let Some(why) = self.not_for(image, (pool, told)).filter(|_| !image.is_empty()) {
                    self.violated(at, format!("{name} was told {told} with image {image}, which {why}"));
                }
            }
            (true, _, _) => {}
        }
    }

    /// Why an image is none for nodes of a pool that run a configuration.
    fn not_for(&self, image: &str, (pool, told): (&str, &str)) -> Option<String> {
        let Some(built) = self.doings.images.get(image) else { return Some("nobody built".to_owned()) };
        let (config, from) = (self.get("MachineConfig", told), self.get("MachineConfig", &built.rendered));
        let same = from.is_null() || DECIDES.iter().all(|field| config["spec"][field] == from["spec"][field]);
        if built.pool != pool {
            return Some(format!("was built for {}", built.pool));
        }
        if built.base != text(&config["spec"]["osImageURL"]) {
            return Some(format!("was built on {}", built.base));
        }
        (!same).then(|| format!("was built from {}", built.rendered))
    }

    /// Whether images were deleted that nodes needed.
    pub(super) fn removals(&mut self) {
        let mut found = Vec::new();
        for (at, image) in &self.doings.removed {
            let since = self.doings.since(*at);
            for (name, past) in &self.nodes {
                let then = past.images.0.partition_point(|(from, _)| from <= at);
                let held = past.images.0.get(..then).unwrap_or_default();
                let needs = |images: &[String; 2]| images.contains(image);
                let first = held.partition_point(|(from, _)| *from <= since).saturating_sub(1);
                if !held.is_empty() && held.iter().skip(first).all(|(_, images)| needs(images)) {
                    found.push((*at, format!("{image} was deleted, and {name} needs it")));
                }
            }
        }
        found.into_iter().for_each(|(at, what)| self.violated(at, what));
    }

    /// Whether each node of a pool has an image that is for it and still there, or none.
    pub(super) fn images_at_the_end(&mut self, at: Instant, pool: &str) {
        let layered = self.pools.get(pool).and_then(|past| past.layered.0.last()).is_some_and(|(_, layered)| *layered);
        for name in self.of_pool(pool) {
            let node = self.get("Node", name);
            let image = annotation(node, "desiredImage").unwrap_or_default();
            let told = annotation(node, "desiredConfig").unwrap_or_default();
            let why = match (layered, image.is_empty()) {
                (true, true) => Some("is none, although it is in image mode".to_owned()),
                (false, false) => Some("is one, although it is not in image mode".to_owned()),
                (false, true) => None,
                (true, false) if self.doings.removed.iter().any(|(_, removed)| removed == image) => {
                    Some("was deleted".to_owned())
                }
                (true, false) => self.not_for(image, (pool, told)),
            };
            if let Some(why) = why {
                self.violated(at, format!("the image {image:?} of {name} of {pool} at the end {why}"));
            }
        }
    }
}
