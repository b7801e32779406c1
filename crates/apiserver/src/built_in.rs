//! The description of a kind that has no CustomResourceDefinition; the table is in `kinds`.

use crate::{
    object,
    types::{OBJECT_META, Types},
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};
use std::sync::OnceLock;
use weir_apischema::{names::NameRule, schema::FieldError};

/// A kind that is built in.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) status: bool,
    pub(crate) scale: bool,
    pub(crate) generation: bool,
    pub(crate) storage: &'static str,
    /// The rule for its names.
    pub(crate) names: NameRule,
    /// Fields that are always present, as JSON.
    zero: &'static str,
    /// `PUT` of a missing object creates it.
    pub(crate) create_on_update: bool,
    /// `DELETE` answers with the object instead of a Status.
    pub(crate) returns_deleted: bool,
    /// A status in the body of a create is kept.
    pub(crate) status_on_create: bool,
    pub(crate) rules: Rules,
    schema: fn(&mut SchemaGenerator) -> String,
    types: OnceLock<Types>,
    zero_object: OnceLock<Value>,
}

/// What the server does to objects of a kind. `old` is `None` on create.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Fills in what the client left out.
    pub(crate) default: fn(&mut Value),
    /// Sets or restores what clients may not decide.
    pub(crate) prepare: fn(&mut Value, Option<&Value>),
    /// What admission plugins of kube-apiserver add; nobody owns these fields.
    pub(crate) admit: fn(&mut Value, Option<&Value>),
    /// Returns what is wrong with the object.
    pub(crate) validate: fn(&Value, Option<&Value>) -> Vec<FieldError>,
}

impl Rules {
    pub(crate) const NONE: Self =
        Self { default: |_| (), prepare: |_, _| (), admit: |_, _| (), validate: |_, _| Vec::new() };
}

/// Adds a type's schema to a document and returns its name there.
pub(crate) fn register<T: JsonSchema>(generator: &mut SchemaGenerator) -> String {
    generator.subschema_for::<T>();
    T::schema_name().into_owned()
}

impl BuiltIn {
    pub(crate) const fn new<T: JsonSchema>(group: &'static str, plural: &'static str, kind: &'static str) -> Self {
        Self {
            group,
            version: "v1",
            plural,
            kind,
            namespaced: true,
            short_names: &[],
            categories: &[],
            status: false,
            scale: false,
            generation: false,
            storage: "",
            names: NameRule::Subdomain,
            zero: "{}",
            create_on_update: false,
            returns_deleted: false,
            status_on_create: false,
            rules: Rules::NONE,
            schema: register::<T>,
            types: OnceLock::new(),
            zero_object: OnceLock::new(),
        }
    }

    pub(crate) const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    pub(crate) const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    pub(crate) const fn all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    pub(crate) const fn zero(mut self, zero: &'static str) -> Self {
        self.zero = zero;
        self
    }

    pub(crate) const fn status(mut self) -> Self {
        self.status = true;
        self
    }

    pub(crate) const fn scale(mut self) -> Self {
        self.scale = true;
        self
    }

    pub(crate) const fn generation(mut self) -> Self {
        self.generation = true;
        self
    }

    pub(crate) const fn names(mut self, rule: NameRule) -> Self {
        self.names = rule;
        self
    }

    pub(crate) const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    pub(crate) const fn create_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    pub(crate) const fn returns_deleted(mut self) -> Self {
        self.returns_deleted = true;
        self
    }

    pub(crate) const fn status_on_create(mut self) -> Self {
        self.status_on_create = true;
        self
    }

    pub(crate) const fn stored_as(mut self, storage: &'static str) -> Self {
        self.storage = storage;
        self
    }

    /// The shape of the kind, compiled when it is first needed.
    pub(crate) fn types(&self) -> &Types {
        self.types.get_or_init(|| {
            let mut generator = generator();
            let name = (self.schema)(&mut generator);
            Types::built_in(&name, generator.definitions())
        })
    }

    /// An empty object as a Go program writes it, parsed when it is first needed.
    pub(crate) fn zero_object(&self) -> &Value {
        // The texts are constants; a test parses every one.
        self.zero_object.get_or_init(|| serde_json::from_str(self.zero).unwrap_or_default())
    }

    /// Adds the kind's schema to a document and returns its name there.
    pub(crate) fn describe(&self, generator: &mut SchemaGenerator) -> String {
        (self.schema)(generator)
    }
}

/// A generator that puts definitions where OpenAPI v3 has them.
pub(crate) fn generator() -> SchemaGenerator {
    SchemaSettings::openapi3().into_generator()
}

/// The definitions of `metadata`, which every kind needs.
pub(crate) fn metadata_definitions() -> &'static Map<String, Value> {
    static DEFINITIONS: OnceLock<Map<String, Value>> = OnceLock::new();
    DEFINITIONS.get_or_init(|| {
        let mut generator = generator();
        register::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>(&mut generator);
        generator.definitions().clone()
    })
}

/// Description of a field of `metadata`, from the published schema.
pub(crate) fn metadata_text(field: &str) -> &'static str {
    static TEXTS: OnceLock<Value> = OnceLock::new();
    let metadata = TEXTS.get_or_init(|| metadata_definitions().get(OBJECT_META).cloned().unwrap_or_default());
    object::text(metadata, &["properties", field, "description"])
}
