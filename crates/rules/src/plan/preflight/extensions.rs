//! Whether the packages of extensions are there: R-PREFLIGHT-3.

use super::{Code, ImageFacts, PACKAGES, PoolTarget, Preflight, Target};
use crate::{
    build::extensions::{known, of_extension},
    render::Rendered,
};

/// The extensions of a configuration, and the image that they come from; absent if it has none.
pub(in crate::plan) fn extensions(rendered: &Rendered) -> Option<(Vec<&str>, Option<&str>)> {
    let spec = &rendered.config.spec;
    let wanted: Vec<&str> = spec.extensions.iter().flatten().map(String::as_str).collect();
    let image = spec.base_os_extensions_container_image.as_deref().filter(|image| !image.is_empty());
    (!wanted.is_empty()).then_some((wanted, image))
}

impl Preflight<'_> {
    /// All of them where nodes go to another OS image, else those that they do not have yet.
    pub(super) fn extensions(
        &mut self,
        target: &PoolTarget,
        rendered: &Rendered,
        left: &[Target],
        changes_image: bool,
    ) {
        let Some((mut wanted, image)) = extensions(rendered) else { return };
        if !changes_image {
            let added = self.added(target, rendered, left, |spec| &spec.extensions);
            wanted.retain(|name| added.contains(name));
        }
        let (odd, wanted): (Vec<&str>, Vec<&str>) = wanted.into_iter().partition(|name| of_extension(name).is_empty());
        if !odd.is_empty() {
            let found = format!("there is no extension {}", odd.join(", "));
            let remedy = format!("remove or correct it in the MachineConfig; there are {}", known().join(", "));
            self.say(Code::ExtensionsMissing, &target.pool, found, &remedy, givers(rendered, &odd));
        }
        if wanted.is_empty() {
            return;
        }
        let (has, os) = if changes_image { ("has", "its new OS") } else { ("gets", "its OS") };
        let Some(why) = self.packages(target, (os, &wanted), image) else { return };
        let wanted = wanted.join(", ");
        let found =
            format!("it {has} the extensions {wanted}, and whether those of {os} include them is not known: {why}");
        let evidence = seen_in(image);
        self.say(Code::Extensions, &target.pool, found, "look into the packages of the extensions image", evidence);
    }

    /// Why it is not known whether there are packages of extensions; says of which there are none.
    fn packages(&mut self, target: &PoolTarget, (os, wanted): (&str, &[&str]), image: Option<&str>) -> Option<String> {
        match image.and_then(|image| self.facts.images.get(image)) {
            Some(ImageFacts::Read { packages: Some(has), .. }) => {
                let of = |extension: &str| {
                    let packages = of_extension(extension);
                    (packages.iter().filter(|package| has.contains(**package)).count(), packages.len())
                };
                let missing: Vec<&str> = wanted.iter().copied().filter(|name| of(name).0 == 0).collect();
                let partly = wanted.iter().filter(|name| (1..of(name).1).contains(&of(name).0));
                let partly: Vec<&str> = partly.copied().collect();
                if !missing.is_empty() {
                    let found = format!("the extensions of {os} do not include {}", missing.join(", "));
                    let remedy = "remove them from the MachineConfig, or keep the pool's stream";
                    self.say(Code::ExtensionsMissing, &target.pool, found, remedy, seen_in(image));
                }
                (!partly.is_empty()).then(|| {
                    format!("only some of the packages of {} are there by their present names", partly.join(", "))
                })
            }
            Some(ImageFacts::Read { packages: None, .. }) => Some("the image has no list of packages".to_owned()),
            Some(ImageFacts::Unreadable(why)) => Some(format!("the image cannot be read: {why}")),
            None => Some("it was not looked for; `weir plan --images` does that".to_owned()),
        }
    }
}

fn seen_in(image: Option<&str>) -> Vec<String> {
    image.map(|image| format!("image {image}, {PACKAGES}")).into_iter().collect()
}

/// The objects that ask for extensions.
fn givers(rendered: &Rendered, names: &[&str]) -> Vec<String> {
    let given = rendered.config.spec.extensions.iter().flatten().enumerate();
    let asked = given.filter(|(_, name)| names.contains(&name.as_str()));
    let from = asked.filter_map(|(at, _)| rendered.provenance.trace(&format!("extensions[{at}]")));
    from.map(|trace| trace.from.to_string()).collect()
}
