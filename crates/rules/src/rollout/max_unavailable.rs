//! How many nodes of a pool may be unavailable at once.
//!
//! R-MAX-1 Absent means 1. The arbiter pool always has 1: its one node is a member of etcd.
//! R-MAX-2 A number is used as it is, and a percentage of the pool's nodes is rounded down; 0 becomes 1, so that a small pool still
//! moves.
//! R-MAX-3 Less than 0 allows nothing: the pool does not move.
//! R-MAX-4 Anything else is an error; a string must have a percent sign.
//!
//! Source: `maxUnavailable` in `pkg/controller/node/node_controller.go` of github.com/openshift/machine-config-operator.

use crate::view::PoolView;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use weir_api::keys::names;

/// `spec.maxUnavailable` is neither a number nor a percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spec.maxUnavailable {0:?} of the pool is neither a number nor a percentage; write for example 1 or \"10%\"")]
pub struct MaxUnavailableError(pub String);

/// Nodes of the pool that may be unavailable at once; if less than 1, no node may be taken down.
///
/// # Errors
/// If the value is not a number of nodes (R-MAX-4).
pub fn max_unavailable(pool: &PoolView<'_>, nodes: usize) -> Result<i64, MaxUnavailableError> {
    if pool.name == names::ARBITER {
        return Ok(1);
    }
    let allowed = match pool.max_unavailable {
        None => 1,
        Some(IntOrString::Int(number)) => i64::from(*number),
        Some(IntOrString::String(text)) => {
            let percent = text.strip_suffix('%').and_then(|digits| digits.parse::<i64>().ok());
            let part = percent.and_then(|p| p.checked_mul(i64::try_from(nodes).ok()?)).map(|p| p.div_euclid(100));
            part.ok_or_else(|| MaxUnavailableError(text.clone()))?
        }
    };
    Ok(if allowed == 0 { 1 } else { allowed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_api::MachineConfigPool;

    fn allowed(pool: &str, nodes: usize, max: Option<IntOrString>) -> Result<i64, MaxUnavailableError> {
        let mut pool = MachineConfigPool::named(pool, Default::default());
        pool.spec.max_unavailable = max;
        max_unavailable(&PoolView::new(&pool), nodes)
    }

    #[test]
    fn numbers_and_percentages() {
        assert_eq!(allowed("worker", 7, None), Ok(1));
        assert_eq!(allowed("arbiter", 1, Some(IntOrString::Int(5))), Ok(1));
        for (number, wanted) in [(0, 1), (1, 1), (99, 99), (-3, -3)] {
            assert_eq!(allowed("worker", 7, Some(IntOrString::Int(number))), Ok(wanted), "{number}");
        }
        let percentages = [
            ("50%", 3),
            ("0%", 1),
            ("1%", 1),
            ("150%", 10),
            ("-10%", -1),
            ("+50%", 3),
            ("007%", 1),
            ("-0%", 1),
            ("200%", 14),
        ];
        for (text, wanted) in percentages {
            assert_eq!(allowed("worker", 7, Some(IntOrString::String(text.into()))), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "abc",
            "%",
            " 50%",
            "40 %",
            "1.5%",
            "0x10%",
            "９%",
            "99999999999999999999%",
            "9000000000000000000%",
        ] {
            let refused = allowed("worker", 7, Some(IntOrString::String(text.into())));
            assert_eq!(refused, Err(MaxUnavailableError(text.into())), "{text}");
        }
    }
}
