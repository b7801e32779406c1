//! Ignition configurations: every accepted version parsed, converted to 3.5, validated, merged and compared.
//!
//! | module | question |
//! |---|---|
//! | `schema` | the fields, since when they exist, and the keys of lists: one table that all others walk |
//! | `decode` | what JSON means in terms of the table |
//! | `version` | which specification a configuration declares |
//! | `v2` | version 2 in terms of version 3 |
//! | `check` | validation |
//! | `unit` | whether a systemd unit is readable |
//! | `url` | valid sources, and the bytes of a data URL |
//! | [`contents`] | the bytes of a file |
//! | `merge` | one configuration laid over another |
//! | `elements` | the parts of a configuration that can come from different places |
//! | [`diff`] | what differs between two configurations |
//! | `encode` | the serialized configuration and its length |
//! | `report` | what is wrong, and where |
//! | `unknown` | keys that nothing reads |
//!
//! Nothing here knows of Kubernetes.

mod check;
pub mod contents;
mod decode;
pub mod diff;
mod elements;
mod encode;
mod merge;
mod report;
mod schema;
mod unit;
mod unknown;
mod url;
mod v2;
mod version;

pub use elements::{Element, file_address};
pub use encode::json_len;
pub use report::{Entry, Report};
pub use unknown::unknown_keys;
pub use url::{Address, address, data_url, decode_data_url};
pub use v2::ConfigV2;

use serde_json::{Map, Value, json};

/// The version that everything is converted to.
pub const VERSION: &str = "3.5.0";
/// Its minor number.
const MINOR: u8 = 5;
/// The newest minor version of specification 2 that is read.
const MINOR_V2: u8 = 2;
/// Supported versions, as the messages name them.
const SUPPORTED: &str = "2.2,3.0,3.1,3.2,3.3,3.4,3.5";
/// Highest mode of a file: set-uid, set-gid and sticky bits are refused.
const HIGHEST_MODE: i64 = 0o777;

/// A configuration of version 3.5 in normal form: known fields of the right type only, no `null`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    fields: Map<String, Value>,
}

/// A configuration as declared.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// Version 3, already in terms of 3.5.
    V3(Config),
    /// Version 2, already in terms of 2.2.
    V2(ConfigV2),
}

/// Why a configuration cannot be read.
///
/// The texts are those of `IgnParseWrapper` in `pkg/controller/common/helpers.go` of
/// github.com/openshift/machine-config-operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There is none.
    #[error("parsing Ignition config spec v3 failed with error: not a config (empty)\nReport: ")]
    Empty,
    /// `ignition.version` is missing or not a version.
    #[error("parsing Ignition config failed: invalid version. Supported spec versions: {SUPPORTED}")]
    InvalidVersion,
    /// The version is not supported.
    #[error("parsing Ignition config failed: unknown version. Supported spec versions: {SUPPORTED}")]
    UnknownVersion,
    /// A configuration of version 3 is malformed.
    #[error("parsing Ignition config spec v3 failed with error: config is not valid\nReport: {0}")]
    V3(Report),
    /// A configuration of version 2 is malformed.
    #[error("parsing Ignition spec v2 failed with error: config is not valid\nReport: {0}")]
    V2(Report),
}

/// Why a readable configuration must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidError {
    /// It violates the rules of the version it was converted to.
    #[error("invalid ignition V3 config found: {0}")]
    V3(Report),
    /// A file has set-uid, set-gid or sticky bits.
    #[error("invalid mode 0{mode:o} for {path}, cannot exceed 0{HIGHEST_MODE:o}")]
    Mode {
        /// Path of the file.
        path: String,
        /// Its mode.
        mode: i64,
    },
}

/// Why a configuration of version 2 has no equivalent in version 3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The only user is `core`.
    #[error("unexpected user with name: {0}. Only core user is supported")]
    User(String),
    /// Something that version 3 cannot express, or not in this way.
    #[error("failed to convert Ignition config spec v2 to v3: unable to convert Ignition spec v2 config to v3: {0}")]
    Translation(String),
}

/// Why [`Config::read`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("failed to parse Ignition config: {0}")]
    Parse(#[from] ParseError),
    /// It cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl Parsed {
    /// Reads a configuration of any accepted version and checks it as one of that version.
    ///
    /// # Errors
    /// When it declares no accepted version or is malformed.
    pub fn parse(raw: &Value) -> Result<Self, ParseError> {
        let declared = declared_version(raw).map_err(ParseError::V3)?;
        let version = version::Version::parse(declared).ok_or(ParseError::InvalidVersion)?;
        if let Some(minor) = version.minor_of(3).filter(|minor| *minor <= MINOR) {
            return Config::parse(raw, minor).map(Self::V3).map_err(ParseError::V3);
        }
        match version.minor_of(2).filter(|minor| *minor <= MINOR_V2) {
            Some(minor) => ConfigV2::parse(raw, minor).map(Self::V2).map_err(ParseError::V2),
            None => Err(ParseError::UnknownVersion),
        }
    }

    /// Checks what reading does not: that a configuration of version 3 is valid as 3.5, and the modes of files.
    ///
    /// # Errors
    /// The first error.
    pub fn validate(&self) -> Result<(), InvalidError> {
        match self {
            Self::V3(config) => config.validate(),
            Self::V2(config) => check_modes(config.modes()),
        }
    }

    /// Converts to 3.5.
    ///
    /// # Errors
    /// When a configuration of version 2 has no equivalent.
    pub fn convert(self) -> Result<Config, ConvertError> {
        match self {
            Self::V3(config) => Ok(config),
            Self::V2(config) => {
                let fields = config.translate()?;
                let report = check::check(&fields, 0);
                if !report.is_empty() {
                    return Err(ConvertError::Translation(report.to_string()));
                }
                Ok(Config::upgraded(fields, 0))
            }
        }
    }
}

/// The text of `ignition.version`, empty when there is none.
fn declared_version(raw: &Value) -> Result<&str, Report> {
    let wrong = |path: &str, wanted: &str| Report::one(path.to_owned(), format!("{wanted} belongs here"));
    let fields = match raw {
        Value::Object(fields) => fields,
        Value::Null => return Ok(""),
        _ => return Err(wrong("$", "an object")),
    };
    let ignition = match decode::lookup(fields, "ignition") {
        Some(Value::Object(ignition)) => ignition,
        None | Some(Value::Null) => return Ok(""),
        Some(_) => return Err(wrong("$.ignition", "an object")),
    };
    match decode::lookup(ignition, "version") {
        Some(Value::String(version)) => Ok(version),
        None | Some(Value::Null) => Ok(""),
        Some(_) => Err(wrong("$.ignition.version", "a string")),
    }
}

fn check_modes<'f>(mut files: impl Iterator<Item = (&'f str, i64)>) -> Result<(), InvalidError> {
    // A negative mode does not get here: reading refuses it.
    match files.find(|(_, mode)| *mode > HIGHEST_MODE) {
        Some((path, mode)) => Err(InvalidError::Mode { path: path.to_owned(), mode }),
        None => Ok(()),
    }
}

impl Config {
    /// The empty configuration.
    #[must_use]
    pub fn empty() -> Self {
        let mut fields = Map::new();
        fields.insert("ignition".to_owned(), json!({ "version": VERSION }));
        Self { fields }
    }

    /// A configuration of these files and units, whose fields must have the types of version 3.5; it is not
    /// validated: see [`Config::validate`].
    #[must_use]
    pub fn of_parts(files: Vec<Value>, units: Vec<Value>) -> Self {
        let mut config = Self::empty();
        config.fields.insert("storage".to_owned(), json!({ "files": files }));
        config.fields.insert("systemd".to_owned(), json!({ "units": units }));
        config
    }

    /// Reads a configuration of any accepted version and converts it.
    ///
    /// # Errors
    /// When it cannot be read or has no equivalent in version 3.5.
    pub fn read(raw: &Value) -> Result<Self, ReadError> {
        Ok(Parsed::parse(raw)?.convert()?)
    }

    fn parse(raw: &Value, minor: u8) -> Result<Self, Report> {
        let fields = decode::decode(raw, &schema::CONFIG, minor)?;
        let report = check::check(&fields, minor);
        if report.is_empty() { Ok(Self::upgraded(fields, minor)) } else { Err(report) }
    }

    /// From version 3.`minor`, in which the fields were decoded. The table does most of the work.
    fn upgraded(mut fields: Map<String, Value>, minor: u8) -> Self {
        if let Some(ignition) = fields.get_mut("ignition") {
            ignition["version"] = Value::from(VERSION);
            if minor == 0 {
                drop_compression_of_references(ignition);
            }
        }
        // The reference loses this field on the way from 3.4 to 3.5.
        if minor < MINOR {
            let devices = fields.get_mut("storage").and_then(|s| s.get_mut("luks")).and_then(Value::as_array_mut);
            for device in devices.into_iter().flatten() {
                let servers = device.pointer_mut("/clevis/tang").and_then(Value::as_array_mut);
                for server in servers.into_iter().flatten().filter_map(Value::as_object_mut) {
                    server.remove("advertisement");
                }
            }
        }
        Self { fields }
    }

    /// Checks the configuration as one of 3.5, and that no file has special mode bits.
    ///
    /// # Errors
    /// The errors.
    pub fn validate(&self) -> Result<(), InvalidError> {
        let report = check::check(&self.fields, MINOR);
        if !report.is_empty() {
            return Err(InvalidError::V3(report));
        }
        check_modes(self.files().filter_map(|f| Some((f.get("path")?.as_str()?, f.get("mode")?.as_i64()?))))
    }

    /// Merges a later configuration over this one as Ignition does.
    #[must_use]
    pub fn merge(self, later: Self) -> Self {
        Self { fields: merge::merge(self.fields, later.fields) }
    }

    /// Merges a later configuration over this one as MachineConfigs are merged.
    ///
    /// Compression belongs to the contents it came with: if a later configuration gives a file without compression, the
    /// earlier file's compression does not apply.
    ///
    /// Source: `MergeMachineConfigs` in `pkg/controller/common/helpers.go` of
    /// github.com/openshift/machine-config-operator.
    #[must_use]
    pub fn overlay(self, mut later: Self) -> Self {
        for file in later.files_mut() {
            let contents = file.entry("contents").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(contents) = contents {
                contents.entry("compression").or_insert(Value::from(""));
            }
        }
        let mut merged = self.merge(later);
        for file in merged.files_mut() {
            let Some(Value::Object(contents)) = file.get_mut("contents") else { continue };
            if contents.get("compression").and_then(Value::as_str) == Some("") {
                contents.remove("compression");
            }
            if contents.is_empty() {
                file.remove("contents");
            }
        }
        merged
    }

    /// Marks every file that does not say otherwise as overwriting an existing one.
    pub fn default_overwrite(&mut self) {
        for file in self.files_mut() {
            file.entry("overwrite").or_insert(Value::Bool(true));
        }
    }

    /// The serialized configuration: without empty values, except entries of lists.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(encode::prune(self.fields, &schema::CONFIG))
    }

    /// One section, for example `passwd`, if present.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Map<String, Value>> {
        check::below(&self.fields, name)
    }

    /// The objects in a list of a section: `storage` and `files`, for example.
    pub fn list<'c>(&'c self, section: &str, list: &str) -> impl Iterator<Item = &'c Map<String, Value>> + use<'c> {
        self.fields
            .get(section)
            .and_then(|s| s.get(list)?.as_array())
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
    }

    /// The files, in order.
    pub fn files(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.list("storage", "files")
    }

    /// The parts of the configuration that can come from different places.
    #[must_use]
    pub fn elements(&self) -> Vec<Element> {
        elements::elements(&self.fields)
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut Map<String, Value>> {
        let files = self.fields.get_mut("storage").and_then(|s| s.get_mut("files")).and_then(Value::as_array_mut);
        files.into_iter().flatten().filter_map(Value::as_object_mut)
    }
}

/// 3.0 cannot compress what it fetches.
fn drop_compression_of_references(ignition: &mut Value) {
    let mut drop = |reference: &mut Value| _ = reference.as_object_mut().map(|r| r.remove("compression"));
    for list in ["/config/merge", "/security/tls/certificateAuthorities"] {
        ignition.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(&mut drop);
    }
    if let Some(replace) = ignition.pointer_mut("/config/replace") {
        drop(replace);
    }
}
