//! What containers of pods wrote, where a part of this process runs them.
//!
//! Source: "Read log of the specified Pod" of the Kubernetes API reference.

use crate::{
    object::{list, text},
    request::{Query, Request},
    response::{self, Body},
    state::State,
    status::Failure,
    store::Key,
};
use http::{Method, Response, StatusCode};
use serde_json::Value;
use std::fmt::Debug;

/// What containers wrote.
pub trait PodLogs: Debug + Send + Sync {
    /// What a container of a pod wrote so far, as text; absent when nobody here ran it.
    fn log(&self, namespace: &str, pod: &str, container: &str) -> Option<String>;
}

/// Parameters that would need a log of lines with times, or one that is still read.
const REFUSED: [&str; 5] = ["follow", "previous", "timestamps", "sinceSeconds", "sinceTime"];

/// Answers with a log; absent when nobody here has it.
pub(crate) fn answer(
    state: &State,
    request: &Request,
    key: &Key,
    pod: &Value,
) -> Option<Result<Response<Body>, Failure>> {
    let logs = state.logs.as_ref().filter(|_| request.method == Method::GET)?;
    let container = match container(&request.query, key, pod) {
        Ok(container) => container,
        Err(failure) => return Some(Err(failure)),
    };
    let log = logs.log(&key.namespace, &key.name, &container)?;
    Some(shortened(&request.query, log).map(|log| response::text(StatusCode::OK, log)))
}

/// The container that is asked about; a pod with one needs no name.
fn container(query: &Query, key: &Key, pod: &Value) -> Result<String, Failure> {
    let names = |field: &str| -> Vec<String> {
        list(pod, &["spec", field]).iter().map(|container| text(container, &["name"]).to_owned()).collect()
    };
    let (first, all) = (names("initContainers"), names("containers"));
    match (query.get("container"), all.as_slice()) {
        ("", [only]) if first.is_empty() => Ok(only.clone()),
        ("", _) => Err(Failure::bad_request(format!(
            "a container name must be specified for pod {}, choose one of: [{}] or one of the init containers: [{}]",
            key.name,
            all.join(" "),
            first.join(" ")
        ))),
        (name, _) if all.iter().chain(&first).any(|one| one == name) => Ok(name.to_owned()),
        (name, _) => Err(Failure::bad_request(format!("container {name} is not valid for pod {}", key.name))),
    }
}

/// The end of a log that is asked for.
fn shortened(query: &Query, log: String) -> Result<String, Failure> {
    if let Some(name) = REFUSED.into_iter().find(|name| !["", "false", "0"].contains(&query.get(name))) {
        return Err(Failure::bad_request(format!(
            "{name} is not possible here: ask for the whole log, or for its tailLines"
        )));
    }
    let number = |name: &str| match query.get(name) {
        "" => Ok(None),
        text => {
            text.parse::<usize>().map(Some).map_err(|_| Failure::bad_request(format!("{name} is no number: {text:?}")))
        }
    };
    let mut shown = log.as_str();
    if let Some(lines) = number("tailLines")? {
        let starts = log.match_indices('\n').map(|(at, _)| at + 1).filter(|at| *at < log.len());
        let starts: Vec<usize> = std::iter::once(0).chain(starts).collect();
        shown = starts.len().checked_sub(lines).map_or(shown, |skip| starts.get(skip).map_or("", |at| &log[*at..]));
    }
    if let Some(bytes) = number("limitBytes")? {
        shown = &shown[..shown.floor_char_boundary(bytes)];
    }
    Ok(shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text)
    }

    #[test]
    fn the_end_of_a_log() {
        for (asked, expected) in [
            ("", "one\ntwo\nthree\n"),
            ("tailLines=2", "two\nthree\n"),
            ("tailLines=0", ""),
            ("tailLines=9", "one\ntwo\nthree\n"),
            ("limitBytes=4", "one\n"),
            ("follow=false", "one\ntwo\nthree\n"),
        ] {
            assert_eq!(shortened(&query(asked), "one\ntwo\nthree\n".to_owned()).unwrap(), expected, "{asked}");
        }
        for refused in ["follow=true", "previous=true", "sinceSeconds=5", "tailLines=x"] {
            assert!(shortened(&query(refused), String::new()).is_err(), "{refused}");
        }
    }
}
