//! Why nothing is shown.

use super::head;
use crate::html::{Html, Link, Rendered};

/// A page that says this, with a field for a token if one is wanted.
pub(crate) fn page(title: &str, why: &str, wants_token: bool) -> Rendered {
    let mut html = Html::default();
    head(&mut html, title, |html| {
        html.tag("main").class("alone").attr("id", "main").body(|html| {
            html.tag("h1").text(title);
            html.tag("p").class("lead").text(why);
            if wants_token {
                let form = html.tag("form").attr("method", "post").action(&Link::to("/login"));
                form.body(|html| {
                    html.tag("label").attr("for", "token").text("Token");
                    let input = html.tag("input").attr("type", "password").attr("id", "token").attr("name", "token");
                    input.attr("autocomplete", "off").flag("required", true).void();
                    html.tag("button").attr("type", "submit").class("primary").text("Show the page");
                });
            } else {
                html.tag("p").body(|html| html.tag("a").href(&Link::to("/")).text("To the overview"));
            }
        });
    });
    html.finish()
}
