//! Validates MachineConfigs one by one and merges them in order (R-RENDER-1, R-RENDER-3, R-RENDER-4, R-RENDER-5).

use super::{GivenBy, InvalidConfig, Provenance, RenderError, RenderInput, name_of};
use crate::view::Annotations;
use weir_api::{
    MachineConfig,
    keys::{config, names},
    machine_config::MachineConfigSpec,
};
use weir_ignition::{Config, Parsed};

/// The default kernel.
const DEFAULT_KERNEL: &str = "default";
/// The other kernels.
const OTHER_KERNELS: [&str; 2] = ["realtime", "64k-pages"];
/// The extension that exists for the default kernel only.
const KERNEL_DEVEL: &str = "kernel-devel";
/// The supported extensions.
///
/// Source: `SupportedExtensions` in `pkg/controller/common/helpers.go` of
/// github.com/openshift/machine-config-operator.
const EXTENSIONS: [&str; 7] =
    ["two-node-ha", "ipsec", "usbguard", "kerberos", KERNEL_DEVEL, "sandboxed-containers", "sysstat"];

/// A MachineConfig with its parsed Ignition config.
pub(super) struct Checked<'a> {
    config: &'a MachineConfig,
    ignition: Option<Parsed>,
}

/// Validates each MachineConfig.
pub(super) fn validate<'a>(configs: &[&'a MachineConfig]) -> Result<Vec<Checked<'a>>, RenderError> {
    let checked = configs.iter().map(|config| {
        let ignition = read(&config.spec).map_err(|error| invalid(config, error))?;
        Ok(Checked { config, ignition })
    });
    checked.collect()
}

fn invalid(config: &MachineConfig, error: impl Into<InvalidConfig>) -> RenderError {
    RenderError::Invalid { config: name_of(&config.metadata).to_owned(), error: error.into() }
}

/// Extensions are only validated if there is an Ignition config, as in the reference.
fn read(spec: &MachineConfigSpec) -> Result<Option<Parsed>, InvalidConfig> {
    check_kernel(spec.kernel_type.as_deref().unwrap_or_default())?;
    let Some(raw) = spec.config.as_ref().filter(|c| !c.is_null()) else { return Ok(None) };
    let parsed = Parsed::parse(raw)?;
    parsed.validate()?;
    let unknown = spec.extensions.iter().flatten().filter(|e| !EXTENSIONS.contains(&e.as_str()));
    let unknown: Vec<String> = unknown.cloned().collect();
    if unknown.is_empty() { Ok(Some(parsed)) } else { Err(InvalidConfig::Extensions(unknown)) }
}

/// Whether there is a kernel of this type; an empty one is the default.
pub(crate) fn check_kernel(kernel: &str) -> Result<(), InvalidConfig> {
    if kernel.is_empty() || kernels().any(|known| known == kernel) {
        return Ok(());
    }
    Err(InvalidConfig::KernelType(kernel.to_owned()))
}

/// All types of kernels.
pub(crate) fn kernels() -> impl Iterator<Item = &'static str> {
    [DEFAULT_KERNEL].into_iter().chain(OTHER_KERNELS)
}

/// All of a pool's MachineConfigs merged.
pub(super) struct Merged<'a> {
    /// All fields are set.
    pub(super) spec: MachineConfigSpec,
    pub(super) provenance: Provenance,
    /// In merge order.
    pub(super) configs: Vec<&'a MachineConfig>,
}

/// Merges; `checked` is sorted by name.
pub(super) fn merge<'a>(checked: Vec<Checked<'a>>, input: &RenderInput<'a>) -> Result<Merged<'a>, RenderError> {
    let checked = in_merge_order(checked)?;
    let configs: Vec<&MachineConfig> = checked.iter().map(|c| c.config).collect();
    let mut provenance = Provenance::new(configs.iter().map(|c| name_of(&c.metadata).to_owned()).collect());
    let ignition = merge_ignition(checked, &mut provenance)?;
    let all = || configs.iter().enumerate().map(|(index, config)| (index, &config.spec));
    let mut spec = MachineConfigSpec {
        config: Some(ignition.into_value()),
        fips: Some(false),
        kernel_type: Some(DEFAULT_KERNEL.to_owned()),
        ..MachineConfigSpec::default()
    };
    let (mut fips, mut kernel) = (Vec::new(), Vec::new());
    let (mut arguments, mut extensions) = (Vec::new(), Vec::new());
    for (index, one) in all() {
        if one.fips == Some(true) {
            spec.fips = Some(true);
            fips.push(index);
        }
        if let Some(kernel_type) = one.kernel_type.as_ref().filter(|k| OTHER_KERNELS.contains(&k.as_str())) {
            spec.kernel_type = Some(kernel_type.clone());
            kernel.push(index);
        }
        arguments.extend(one.kernel_arguments.iter().flatten().map(|a| (index, a.clone())));
        extensions.extend(one.extensions.iter().flatten().map(|e| (index, e.clone())));
    }
    provenance.value("fips", GivenBy::Default, &fips);
    provenance.value("kernelType", GivenBy::Default, &kernel);
    spec.kernel_arguments = Some(provenance.collected("kernelArguments", arguments));
    spec.extensions = Some(provenance.collected("extensions", extensions));
    refuse_kernel_devel(&spec).map_err(|error| asked_by(error, &configs))?;
    let (os_image, extensions_image) = input.base_images();
    spec.os_image_url =
        Some(image("osImageURL", os_image, input, &configs, &mut provenance, |spec| spec.os_image_url.as_deref()));
    spec.base_os_extensions_container_image =
        Some(image("baseOSExtensionsContainerImage", extensions_image, input, &configs, &mut provenance, |spec| {
            spec.base_os_extensions_container_image.as_deref()
        }));
    Ok(Merged { spec, provenance, configs })
}

/// R-RENDER-1. Without any labels there is no role, and a MachineConfig without one cannot be ordered.
fn in_merge_order(checked: Vec<Checked<'_>>) -> Result<Vec<Checked<'_>>, RenderError> {
    if let Some(one) = checked.iter().find(|c| c.config.metadata.labels.is_none()) {
        return Err(RenderError::NoLabels { config: name_of(&one.config.metadata).to_owned() });
    }
    let is_worker = |one: &Checked<'_>| {
        let labels = one.config.metadata.labels.as_ref();
        labels.and_then(|l| l.get(config::ROLE)).is_some_and(|role| role == names::WORKER)
    };
    let (workers, others): (Vec<_>, Vec<_>) = checked.into_iter().partition(is_worker);
    Ok(workers.into_iter().chain(others).collect())
}

fn merge_ignition(checked: Vec<Checked<'_>>, provenance: &mut Provenance) -> Result<Config, RenderError> {
    let mut merged: Option<Config> = None;
    for (index, one) in checked.into_iter().enumerate() {
        let Some(parsed) = one.ignition else {
            // If the first has no Ignition config, merging starts from an empty one.
            merged.get_or_insert_with(Config::empty);
            continue;
        };
        let later = parsed.convert().map_err(|error| invalid(one.config, error))?;
        provenance.record(index, &later);
        merged = Some(match merged {
            None => later,
            Some(earlier) => earlier.overlay(later),
        });
    }
    let mut merged = merged.unwrap_or_else(Config::empty);
    merged.default_overwrite();
    provenance.finish(&merged);
    Ok(merged)
}

/// A package that exists for the default kernel only.
pub(crate) fn refuse_kernel_devel(spec: &MachineConfigSpec) -> Result<(), RenderError> {
    let kernel_type = spec.kernel_type.as_deref().unwrap_or_default();
    let wanted = spec.extensions.iter().flatten().any(|e| e == KERNEL_DEVEL);
    if wanted && kernel_type != DEFAULT_KERNEL {
        return Err(RenderError::KernelDevel { kernel_type: kernel_type.to_owned(), config: None });
    }
    Ok(())
}

/// The same with the last MachineConfig that asks for the package.
fn asked_by(error: RenderError, configs: &[&MachineConfig]) -> RenderError {
    let asks = |config: &&&MachineConfig| config.spec.extensions.iter().flatten().any(|e| e == KERNEL_DEVEL);
    let asking = configs.iter().rfind(asks).map(|config| name_of(&config.metadata).to_owned());
    match error {
        RenderError::KernelDevel { kernel_type, .. } => RenderError::KernelDevel { kernel_type, config: asking },
        other => other,
    }
}

/// R-RENDER-5: the last one that no controller generated wins.
fn image<'a>(
    element: &str,
    base: &str,
    input: &RenderInput<'_>,
    configs: &[&'a MachineConfig],
    provenance: &mut Provenance,
    of: impl Fn(&'a MachineConfigSpec) -> Option<&'a str>,
) -> String {
    let by_user = |config: &MachineConfig| {
        Annotations::of(&config.metadata).filled(config::GENERATED_BY_CONTROLLER_VERSION).is_none()
    };
    let images = configs.iter().enumerate().filter(|(_, config)| by_user(config));
    let images = images.filter_map(|(index, config)| Some((index, of(&config.spec).filter(|i| !i.is_empty())?)));
    let images: Vec<(usize, &str)> = images.collect();
    let otherwise = match input.stream {
        Some(set) => GivenBy::Stream(set.name.clone()),
        None => GivenBy::ControllerConfig,
    };
    provenance.value(element, otherwise, &images.iter().map(|(index, _)| *index).collect::<Vec<_>>());
    images.last().map_or(base, |(_, image)| image).to_owned()
}
