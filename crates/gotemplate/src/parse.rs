//! From tokens to a tree.
//!
//! P-1 A variable is visible from its declaration to the `end` of the enclosing structure; using another is an error.
//! P-2 `else if` and `else with` continue only a structure of their own kind.
//! P-3 `define` is only allowed at the top level; a name is defined once, unless a definition is blank.
//! P-4 `break` and `continue` are only allowed inside a `range`.
//! P-5 A later command of a pipeline has to begin with something that can take an argument.
//!
//! Source: `text/template/parse/parse.go` of Go's standard library.

use crate::{
    lex::{Fault, Kind, Token, tokens},
    number,
    tree::{Branch, Command, List, Node, Number, Operand, Pipeline, Span, Term},
};
use std::collections::BTreeMap;

/// Maximum nesting of structures and parentheses. Templates of releases have four levels.
const MAX_DEPTH: usize = 100;

/// Functions of Go that this engine lacks, since no release uses them.
const REFUSED: [&str; 4] = ["html", "js", "urlquery", "call"];

/// The templates in a text by name, including the text's own.
pub(crate) fn parse(
    name: &str,
    text: &str,
    is_function: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, List>, Fault> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        position: 0,
        is_function,
        variables: vec!["$".to_owned()],
        ranges: 0,
        depth: 0,
        templates: BTreeMap::new(),
    };
    let mut own = List::new();
    loop {
        if parser.peek().kind == Kind::End {
            break;
        }
        if parser.defines() {
            parser.definition()?;
            continue;
        }
        match parser.text_or_action()? {
            Parsed::Node(node) => own.push(node),
            Parsed::End(at) => return Err((at, "unexpected {{end}}".to_owned())),
            Parsed::Else(at) => return Err((at, "unexpected {{else}}".to_owned())),
        }
    }
    parser.add(name.to_owned(), own, text.len())?;
    Ok(parser.templates)
}

enum Parsed {
    Node(Node),
    End(usize),
    Else(usize),
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    position: usize,
    is_function: &'t dyn Fn(&str) -> bool,
    variables: Vec<String>,
    ranges: usize,
    depth: usize,
    templates: BTreeMap<String, List>,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Token {
        let end = Token { kind: Kind::End, start: self.text.len(), end: self.text.len() };
        self.tokens.get(self.position).copied().unwrap_or(end)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn peek_visible(&mut self) -> Token {
        while self.peek().kind == Kind::Space {
            self.position += 1;
        }
        self.peek()
    }

    fn next_visible(&mut self) -> Token {
        self.peek_visible();
        self.next()
    }

    fn word(&self, token: Token) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn unexpected<T>(&self, token: Token, context: &str) -> Result<T, Fault> {
        let what = match token.kind {
            Kind::End => return Err((token.start, "unexpected end of the template".to_owned())),
            Kind::Keyword => format!("<{}>", self.word(token)),
            _ => format!("{:?}", self.word(token)),
        };
        Err((token.start, format!("unexpected {what} in {context}")))
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            return Err((
                self.peek().start,
                format!("structures and parentheses are nested more than {MAX_DEPTH} deep"),
            ));
        }
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    /// Whether `{{define` comes next.
    fn defines(&self) -> bool {
        if self.peek().kind != Kind::LeftDelimiter {
            return false;
        }
        let mut behind = self.tokens.iter().skip(self.position + 1).filter(|token| token.kind != Kind::Space);
        behind.next().is_some_and(|token| token.kind == Kind::Keyword && self.word(*token) == "define")
    }

    fn definition(&mut self) -> Result<(), Fault> {
        const CONTEXT: &str = "define clause";
        self.next();
        let at = self.next_visible().start;
        let name = self.template_name(CONTEXT)?;
        let closing = self.next_visible();
        if closing.kind != Kind::RightDelimiter {
            return self.unexpected(closing, CONTEXT);
        }
        let list = self.apart(CONTEXT)?;
        self.add(name, list, at)
    }

    /// The body of a nested template, up to its `end`: it sees no variable of the enclosing one.
    fn apart(&mut self, context: &str) -> Result<List, Fault> {
        let outside = (std::mem::replace(&mut self.variables, vec!["$".to_owned()]), std::mem::take(&mut self.ranges));
        let (list, is_end, at) = self.deeper(Self::list)?;
        (self.variables, self.ranges) = outside;
        if is_end { Ok(list) } else { Err((at, format!("unexpected {{{{else}}}} in {context}"))) }
    }

    fn add(&mut self, name: String, list: List, at: usize) -> Result<(), Fault> {
        let is_blank = |list: &List| {
            list.iter().all(|node| matches!(node, Node::Text(text) if text.chars().all(char::is_whitespace)))
        };
        match self.templates.get(&name) {
            Some(before) if !is_blank(before) && !is_blank(&list) => {
                Err((at, format!("multiple definition of template {name:?}")))
            }
            Some(before) if !is_blank(before) => Ok(()),
            _ => {
                self.templates.insert(name, list);
                Ok(())
            }
        }
    }

    /// Nodes up to `end` or `else`; whether it was `end`, and where.
    fn list(&mut self) -> Result<(List, bool, usize), Fault> {
        let mut list = List::new();
        loop {
            if self.peek_visible().kind == Kind::End {
                return self.unexpected(self.peek(), "list");
            }
            match self.text_or_action()? {
                Parsed::Node(node) => list.push(node),
                Parsed::End(at) => return Ok((list, true, at)),
                Parsed::Else(at) => return Ok((list, false, at)),
            }
        }
    }

    fn text_or_action(&mut self) -> Result<Parsed, Fault> {
        let token = self.next_visible();
        match token.kind {
            Kind::Text => Ok(Parsed::Node(Node::Text(self.word(token).to_owned()))),
            Kind::LeftDelimiter => self.action(),
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Parsed, Fault> {
        let token = self.peek_visible();
        if token.kind != Kind::Keyword {
            return Ok(Parsed::Node(Node::Action(self.pipeline("command", Kind::RightDelimiter)?)));
        }
        self.next();
        let node = match self.word(token) {
            "if" => Node::If(self.control("if")?),
            "with" => Node::With(self.control("with")?),
            "range" => Node::Range(self.control("range")?),
            "end" => {
                self.close("end")?;
                return Ok(Parsed::End(token.start));
            }
            "else" => {
                let behind = self.peek_visible();
                if !(behind.kind == Kind::Keyword && matches!(self.word(behind), "if" | "with")) {
                    self.close("else")?;
                }
                return Ok(Parsed::Else(token.start));
            }
            "template" => self.template(token.start)?,
            "block" => self.block(token.start)?,
            word @ ("break" | "continue") => {
                self.close(word)?;
                if self.ranges == 0 {
                    return Err((token.start, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                if word == "break" { Node::Break } else { Node::Continue }
            }
            _ => return self.unexpected(token, "command"),
        };
        Ok(Parsed::Node(node))
    }

    fn close(&mut self, context: &str) -> Result<(), Fault> {
        let token = self.next_visible();
        if token.kind == Kind::RightDelimiter { Ok(()) } else { self.unexpected(token, context) }
    }

    fn control(&mut self, kind: &'static str) -> Result<Branch, Fault> {
        let known = self.variables.len();
        let branch = self.deeper(|parser| parser.branch(kind));
        self.variables.truncate(known);
        branch
    }

    fn branch(&mut self, kind: &'static str) -> Result<Branch, Fault> {
        let pipeline = self.pipeline(kind, Kind::RightDelimiter)?;
        let is_range = usize::from(kind == "range");
        self.ranges += is_range;
        let (then, is_end, _) = self.list()?;
        self.ranges -= is_range;
        if is_end {
            return Ok(Branch { pipeline, then, otherwise: List::new() });
        }
        let behind = self.peek();
        let goes_on = behind.kind == Kind::Keyword && self.word(behind) == kind;
        if goes_on && kind != "range" {
            self.next();
            let inner = self.control(kind)?;
            let otherwise = vec![if kind == "if" { Node::If(inner) } else { Node::With(inner) }];
            return Ok(Branch { pipeline, then, otherwise });
        }
        let (otherwise, is_end, at) = self.list()?;
        if is_end {
            Ok(Branch { pipeline, then, otherwise })
        } else {
            Err((at, "expected {{end}}, found {{else}}".to_owned()))
        }
    }

    fn template_name(&mut self, context: &str) -> Result<String, Fault> {
        let token = self.next_visible();
        match token.kind {
            Kind::Quoted | Kind::Raw => self.constant(token),
            _ => self.unexpected(token, context),
        }
    }

    fn template(&mut self, at: usize) -> Result<Node, Fault> {
        const CONTEXT: &str = "template clause";
        let name = self.template_name(CONTEXT)?;
        let data = if self.peek_visible().kind == Kind::RightDelimiter {
            self.next();
            None
        } else {
            Some(self.pipeline(CONTEXT, Kind::RightDelimiter)?)
        };
        Ok(Node::Template { at, name, data })
    }

    fn block(&mut self, at: usize) -> Result<Node, Fault> {
        const CONTEXT: &str = "block clause";
        let name = self.template_name(CONTEXT)?;
        let data = self.pipeline(CONTEXT, Kind::RightDelimiter)?;
        let body = self.apart(CONTEXT)?;
        self.add(name.clone(), body, at)?;
        Ok(Node::Template { at, name, data: Some(data) })
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipeline, Fault> {
        let start = self.peek_visible().start;
        let (variables, assigns) = self.declarations(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let token = self.peek_visible();
            if token.kind == end {
                self.next();
                if commands.is_empty() {
                    return Err((token.start, format!("missing value for {context}")));
                }
                return Ok(Pipeline { at: Span::new(start, token.start), variables, assigns, commands });
            }
            if !begins_operand(token.kind) {
                return self.unexpected(token, context);
            }
            let command = self.command()?;
            let is_constant =
                matches!(command.first.term, Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text(_));
            if is_constant && !commands.is_empty() {
                let stage = commands.len() + 1;
                return Err((command.at.start, format!("non executable command in pipeline stage {stage}")));
            }
            commands.push(command);
        }
    }

    /// The variables that a pipeline declares or assigns, and which of the two.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool), Fault> {
        let mut variables = Vec::new();
        loop {
            let token = self.peek_visible();
            if token.kind != Kind::Variable {
                return Ok((variables, false));
            }
            let before = self.position;
            self.next();
            let behind = self.peek_visible();
            match behind.kind {
                Kind::Assign | Kind::Declare => {
                    self.next();
                    variables.push(self.word(token).to_owned());
                    self.variables.push(self.word(token).to_owned());
                    return Ok((variables, behind.kind == Kind::Assign));
                }
                Kind::Comma => {
                    self.next();
                    variables.push(self.word(token).to_owned());
                    self.variables.push(self.word(token).to_owned());
                    if context != "range" || variables.len() > 1 {
                        return Err((token.start, format!("too many declarations in {context}")));
                    }
                    if self.peek_visible().kind != Kind::Variable {
                        return Err((token.start, "range can only initialize variables".to_owned()));
                    }
                }
                _ => {
                    self.position = before;
                    return Ok((variables, false));
                }
            }
        }
    }

    fn command(&mut self) -> Result<Command, Fault> {
        let start = self.peek_visible().start;
        let mut operands = Vec::new();
        let mut end = start;
        loop {
            self.peek_visible();
            if let Some(operand) = self.operand()? {
                end = operand.at.end;
                operands.push(operand);
            }
            let token = self.peek();
            match token.kind {
                Kind::Space => _ = self.next(),
                Kind::RightDelimiter | Kind::RightParenthesis => break,
                Kind::Pipe => {
                    self.next();
                    break;
                }
                _ => return self.unexpected(token, "operand"),
            }
        }
        let mut operands = operands.into_iter();
        let Some(first) = operands.next() else { return Err((start, "empty command".to_owned())) };
        Ok(Command { at: Span::new(start, end), first, arguments: operands.collect() })
    }

    fn operand(&mut self) -> Result<Option<Operand>, Fault> {
        let Some(operand) = self.term()? else { return Ok(None) };
        let mut fields = Vec::new();
        let mut at = operand.at;
        while self.peek().kind == Kind::Field {
            let field = self.next();
            if fields.is_empty() {
                at.place = field.start;
            }
            at.end = field.end;
            fields.push(self.field(field));
        }
        if fields.is_empty() {
            return Ok(Some(operand));
        }
        let term = match operand.term {
            Term::Fields(mut own) => {
                own.append(&mut fields);
                Term::Fields(own)
            }
            Term::Variable(name, mut own) => {
                own.append(&mut fields);
                Term::Variable(name, own)
            }
            Term::Bool(_) | Term::Text(_) | Term::Number(_) | Term::Nil | Term::Dot => {
                let text = self.text.get(operand.at.start..operand.at.end).unwrap_or_default();
                return Err((operand.at.start, format!("unexpected . after term {text:?}")));
            }
            Term::Function(_) | Term::Pipeline(_) | Term::Chain(..) => Term::Chain(Box::new(operand), fields),
        };
        Ok(Some(Operand { at, term }))
    }

    fn field(&self, token: Token) -> String {
        self.word(token).trim_start_matches('.').to_owned()
    }

    fn term(&mut self) -> Result<Option<Operand>, Fault> {
        let token = self.peek_visible();
        if !begins_operand(token.kind) {
            return Ok(None);
        }
        self.next();
        let word = self.word(token);
        let term = match token.kind {
            Kind::Identifier if REFUSED.contains(&word) => {
                return Err((token.start, format!("function {word:?} is not supported")));
            }
            Kind::Identifier if !(self.is_function)(word) => {
                return Err((token.start, format!("function {word:?} not defined")));
            }
            Kind::Identifier => Term::Function(word.to_owned()),
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Bool => Term::Bool(word == "true"),
            Kind::Field => Term::Fields(vec![self.field(token)]),
            Kind::Variable if self.variables.iter().any(|known| known == word) => {
                Term::Variable(word.to_owned(), Vec::new())
            }
            Kind::Variable => return Err((token.start, format!("undefined variable {word:?}"))),
            Kind::Number | Kind::Character => Term::Number(self.number(token)?),
            Kind::LeftParenthesis => {
                let inner = |parser: &mut Self| parser.pipeline("parenthesized pipeline", Kind::RightParenthesis);
                Term::Pipeline(Box::new(self.deeper(inner)?))
            }
            _ => Term::Text(self.constant(token)?),
        };
        let end = self.tokens.get(self.position.saturating_sub(1)).map_or(token.end, |last| last.end);
        Ok(Some(Operand { at: Span::new(token.start, end), term }))
    }

    fn number(&self, token: Token) -> Result<Number, Fault> {
        let word = self.word(token);
        let number = match token.kind {
            Kind::Character => number::character(within(word)).map(|code| {
                #[allow(clippy::cast_precision_loss, reason = "a character's code is small")]
                Number { int: Some(code), float: Some(code as f64), is_float: false }
            }),
            _ => number::number(word),
        };
        number.ok_or_else(|| (token.start, format!("illegal number syntax: {word:?}")))
    }

    /// The text of a string constant.
    fn constant(&self, token: Token) -> Result<String, Fault> {
        let word = self.word(token);
        if token.kind == Kind::Raw {
            // As in Go, carriage returns are not part of a raw string.
            return Ok(within(word).replace('\r', ""));
        }
        number::unquote(within(word)).ok_or_else(|| (token.start, format!("invalid syntax of string {word}")))
    }
}

/// A constant without its quotes.
fn within(word: &str) -> &str {
    word.get(1..word.len().saturating_sub(1)).unwrap_or_default()
}

fn begins_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::Character
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Nil
            | Kind::Raw
            | Kind::Quoted
            | Kind::Variable
            | Kind::LeftParenthesis
    )
}
