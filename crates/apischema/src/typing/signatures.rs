//! Which functions exist, and what is known about their arguments and results.

use super::types::Type;
use crate::cel::library::comprehension;

/// Names of types, which are values too.
pub(super) const TYPE_NAMES: [&str; 12] =
    ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "dyn", "optional_type"];

/// Conversions and functions that are not methods.
const GLOBAL: [&str; 39] = [
    "size",
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "timestamp",
    "duration",
    "type",
    "dyn",
    "matches",
    "isIP",
    "ip",
    "isCIDR",
    "cidr",
    "isURL",
    "url",
    "isQuantity",
    "quantity",
    "isSemver",
    "semver",
    "has",
    "ip.isCanonical",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "strings.quote",
    "lists.range",
    "format.named",
    "format.dns1123Label",
    "format.dns1123Subdomain",
    "format.dns1035Label",
    "format.qualifiedName",
    "format.labelValue",
    "format.uri",
];

/// More formats, in a list of their own only to keep the one above readable.
const FORMATS: [&str; 7] = [
    "format.dns1123LabelPrefix",
    "format.dns1123SubdomainPrefix",
    "format.dns1035LabelPrefix",
    "format.uuid",
    "format.byte",
    "format.date",
    "format.datetime",
];

/// Methods that only strings have. (`indexOf`, `reverse` and `size` are methods of lists too.)
const OF_STRINGS: [&str; 17] = [
    "charAt",
    "contains",
    "endsWith",
    "find",
    "findAll",
    "format",
    "lowerAscii",
    "matches",
    "replace",
    "split",
    "startsWith",
    "substring",
    "trim",
    "upperAscii",
    "indexOf",
    "lastIndexOf",
    "reverse",
];

/// Methods of lists.
const OF_LISTS: [&str; 14] = [
    "join",
    "isSorted",
    "sum",
    "min",
    "max",
    "indexOf",
    "lastIndexOf",
    "slice",
    "flatten",
    "distinct",
    "reverse",
    "sort",
    "sortBy",
    "@sortByAssociatedKeys",
];

/// Methods of timestamps and durations.
const OF_TIMES: [&str; 10] = [
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
];

/// Methods of the types Kubernetes adds, and of optionals.
const OF_OTHERS: [&str; 40] = [
    "validate",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "containsIP",
    "containsCIDR",
    "prefixLength",
    "masked",
    "getScheme",
    "getHost",
    "getHostname",
    "getPort",
    "getEscapedPath",
    "getQuery",
    "sign",
    "isInteger",
    "asInteger",
    "asApproximateFloat",
    "add",
    "sub",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "major",
    "minor",
    "patch",
    "hasValue",
    "value",
    "or",
    "orValue",
    "optMap",
    "optFlatMap",
    "ip",
    "existsOne",
    "exists_one",
    "string",
    "quote",
];

/// Whether anything of that name can be called.
pub(super) fn is_function(name: &str) -> bool {
    comprehension::NAMES.contains(&name)
        || [&GLOBAL[..], &FORMATS, &OF_STRINGS, &OF_LISTS, &OF_TIMES, &OF_OTHERS]
            .iter()
            .any(|names| names.contains(&name))
}

/// Whether a receiver of that type certainly does not have the method.
pub(super) fn refuses(method: &str, receiver: &Type<'_>) -> bool {
    let scalar = matches!(receiver, Type::Bool | Type::Int | Type::Uint | Type::Double);
    match receiver {
        Type::String => !OF_STRINGS.contains(&method) && method != "size" && method != "quote",
        Type::List(_) => !OF_LISTS.contains(&method) && method != "size",
        Type::Timestamp | Type::Duration => !OF_TIMES.contains(&method),
        _ => scalar,
    }
}

/// The return type of a function, if it depends on the arguments.
fn made_of<'a>(name: &str, args: &[Type<'a>]) -> Option<Type<'a>> {
    match (name, args) {
        (comprehension::KEYS, [Type::List(_)]) | ("lists.range", _) => Some(Type::List(Box::new(Type::Int))),
        (comprehension::KEYS, [Type::Map(_)]) => Some(Type::List(Box::new(Type::String))),
        (comprehension::PUT, [_, Type::String, value]) => Some(Type::Map(Box::new(value.clone()))),
        ("optional.of" | "optional.ofNonZeroValue", [of]) => Some(Type::Optional(Box::new(of.clone()))),
        _ => None,
    }
}

/// Functions that return a boolean.
const PREDICATES: [&str; 26] = [
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "isSorted",
    "isIP",
    "isCIDR",
    "isURL",
    "isQuantity",
    "isSemver",
    "ip.isCanonical",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "containsIP",
    "containsCIDR",
    "isInteger",
    "isGreaterThan",
    "isLessThan",
    "hasValue",
    "bool",
];

/// The return type of a function.
pub(super) fn result_of<'a>(name: &str, receiver: Option<&Type<'a>>, args: &[Type<'a>]) -> Type<'a> {
    if let Some(made) = made_of(name, args) {
        return made;
    }
    match name {
        name if PREDICATES.contains(&name) => Type::Bool,
        "size" | "int" | "indexOf" | "lastIndexOf" | "family" | "prefixLength" | "sign" | "asInteger" | "compareTo"
        | "major" | "minor" | "patch" => Type::Int,
        "uint" => Type::Uint,
        "double" | "asApproximateFloat" => Type::Double,
        "string" | "charAt" | "find" | "format" | "join" | "lowerAscii" | "replace" | "substring" | "trim"
        | "upperAscii" | "getScheme" | "getHost" | "getHostname" | "getPort" | "getEscapedPath" | "strings.quote" => {
            Type::String
        }
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "type" => Type::Meta,
        "split" | "findAll" => Type::List(Box::new(Type::String)),
        "url" => Type::Named("kubernetes.URL"),
        "quantity" => Type::Named("kubernetes.Quantity"),
        "semver" => Type::Named("kubernetes.Semver"),
        "cidr" | "masked" => Type::Named("net.CIDR"),
        "ip" => Type::Named("net.IP"),
        "validate" => Type::Optional(Box::new(Type::List(Box::new(Type::String)))),
        name if OF_TIMES.contains(&name) => Type::Int,
        "value" | "orValue" => match receiver {
            Some(Type::Optional(of)) => (**of).clone(),
            _ => Type::Dyn,
        },
        "or" | "distinct" | "reverse" | "sort" | "slice" => receiver.cloned().unwrap_or(Type::Dyn),
        "min" | "max" | "sum" => match receiver {
            Some(Type::List(of)) => (**of).clone(),
            _ => Type::Dyn,
        },
        _ => Type::Dyn,
    }
}
