//! Rules, as they are written in `#[merge(...)]`, and the code that calls them.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Result};
use syn::{Error, Ident, Index, Path, Token, parenthesized};

/// How a part merges.
pub(crate) struct Rule {
    kind: Kind,
    /// Where it is written.
    pub(crate) span: Span,
}

enum Kind {
    /// A function of this name that takes the three sides.
    Named { name: &'static str, counts: bool },
    /// The merge of the type.
    Contents,
    /// A map or an option, whose values merge by a rule.
    Around { name: &'static str, inner: Box<Rule> },
    /// A tuple.
    Tuple(Vec<Rule>),
    /// A function of the user.
    With { path: Path, counts: bool },
}

/// All rules, for messages.
const ALL: &str = "`value`, `count`, `max`, `min`, `set`, `multiset`, `lines`, `sequence`, \
                   `contents`, `map(..)`, `option(..)`, `tuple(.., ..)`, or `with = function`";

/// How deep rules may stand in one another.
const DEPTH_MAX: usize = 16;

impl Rule {
    /// Returns the rule for what has none.
    pub(crate) const fn whole(span: Span) -> Self {
        Self { kind: Kind::Named { name: "value", counts: false }, span }
    }

    /// Reads a rule, and the word `counts` behind it.
    pub(crate) fn parse(input: ParseStream<'_>) -> Result<Self> {
        Self::parse_within(input, DEPTH_MAX)
    }

    fn parse_within(input: ParseStream<'_>, depth_left: usize) -> Result<Self> {
        if input.is_empty() {
            return Err(Error::new(input.span(), format!("a rule is missing: {ALL}")));
        }
        let word = input.call(Ident::parse_any)?;
        let span = word.span();
        let Some(depth_left) = depth_left.checked_sub(1) else {
            let message = format!("rules stand at most {DEPTH_MAX} deep in one another");
            return Err(Error::new(span, message));
        };
        let counts = |name| Kind::Named { name, counts: true };
        let plain = |name| Kind::Named { name, counts: false };
        let kind = match word.to_string().as_str() {
            "value" => plain("value"),
            "count" => counts("count"),
            "max" => plain("max"),
            "min" => plain("min"),
            "set" => plain("set"),
            "multiset" => counts("multiset"),
            "lines" => plain("lines"),
            "sequence" => plain("sequence"),
            "contents" => Kind::Contents,
            "map" => Kind::Around { name: "map", inner: inner(input, span, depth_left)? },
            "option" => Kind::Around { name: "optional", inner: inner(input, span, depth_left)? },
            "tuple" => Kind::Tuple(places(input, span, depth_left)?),
            "with" => with(input, span)?,
            other => {
                let message = format!("there is no rule `{other}`; there are {ALL}");
                return Err(Error::new(span, message));
            }
        };
        if input.peek(syn::token::Paren) {
            let message = format!("the rule `{word}` has nothing in parentheses");
            return Err(Error::new(span, message));
        }
        Ok(Self { kind, span })
    }

    /// Returns the code that merges three sides by this rule.
    pub(crate) fn call(
        &self,
        home: &Path,
        [ancestor, ours, theirs]: [TokenStream; 3],
    ) -> TokenStream {
        match &self.kind {
            Kind::Named { name, .. } => {
                let function = Ident::new(name, self.span);
                quote!(#home::merge::#function(#ancestor, #ours, #theirs))
            }
            Kind::Contents => quote!(#home::merge::contents(#ancestor, #ours, #theirs)),
            Kind::With { path, .. } => quote!(#path(#ancestor, #ours, #theirs)),
            Kind::Around { name, inner } => {
                let function = Ident::new(name, self.span);
                let inner = inner.for_what_may_be_absent(home);
                quote!(#home::merge::#function(#ancestor, #ours, #theirs, #inner))
            }
            Kind::Tuple(rules) => {
                let places = rules.iter().enumerate().map(|(place, rule)| {
                    let index = Index::from(place);
                    let sides = [
                        quote!(__a.map(|__side| &__side.#index)),
                        quote!(&__o.#index),
                        quote!(&__t.#index),
                    ];
                    let call = rule.call(home, sides);
                    quote!(#call.map_err(|__conflict| __conflict.at(#place))?)
                });
                quote!({
                    let (__a, __o, __t) = (#ancestor, #ours, #theirs);
                    (|| ::core::result::Result::<_, #home::Conflict>::Ok((#(#places,)*)))()
                })
            }
        }
    }

    /// Returns a function of three options.
    fn for_what_may_be_absent(&self, home: &Path) -> TokenStream {
        match &self.kind {
            Kind::Named { name: "value", .. } => quote!(#home::merge::whole),
            Kind::Contents => quote!(#home::Contents::merge),
            _ => {
                let call = self.call(home, [quote!(__a), quote!(__o), quote!(__t)]);
                quote!(|__a, __o, __t| {
                    #home::merge::option(__a, __o, __t, |__a, __o, __t| #call)
                })
            }
        }
    }

    /// Returns the code that says whether equal sides of a part of this type have to be merged.
    pub(crate) fn counts(&self, home: &Path, part: &TokenStream) -> TokenStream {
        match &self.kind {
            Kind::Named { counts, .. } | Kind::With { counts, .. } => quote!(#counts),
            Kind::Contents => quote!(<#part as #home::Contents>::MERGES_EQUAL_SIDES),
            Kind::Around { inner, .. } => inner.counts(home, &inside(home, part)),
            Kind::Tuple(rules) => {
                let places = rules.iter().enumerate();
                let places =
                    places.map(|(place, rule)| rule.counts(home, &at_place(home, part, place)));
                quote!((false #(|| #places)*))
            }
        }
    }

    /// Adds the types that merge by a merge of their own, in a part of this type.
    pub(crate) fn add_contents(&self, home: &Path, part: &TokenStream, to: &mut Vec<TokenStream>) {
        match &self.kind {
            Kind::Named { .. } | Kind::With { .. } => {}
            Kind::Contents => to.push(part.clone()),
            Kind::Around { inner, .. } => inner.add_contents(home, &inside(home, part), to),
            Kind::Tuple(rules) => {
                for (place, rule) in rules.iter().enumerate() {
                    rule.add_contents(home, &at_place(home, part, place), to);
                }
            }
        }
    }
}

/// Returns the type of the values of a map or an option.
fn inside(home: &Path, part: &TokenStream) -> TokenStream {
    quote!(<#part as #home::__derive::Around>::Inside)
}

fn at_place(home: &Path, part: &TokenStream, place: usize) -> TokenStream {
    quote!(<#part as #home::__derive::Place<#place>>::Part)
}

/// Reads the rule in the parentheses of `map(..)` or `option(..)`.
fn inner(input: ParseStream<'_>, word: Span, depth_left: usize) -> Result<Box<Rule>> {
    let mut rules = places(input, word, depth_left)?;
    match (rules.pop(), rules.is_empty()) {
        (Some(rule), true) => Ok(Box::new(rule)),
        _ => Err(Error::new(
            word,
            "one rule stands in the parentheses, that of the values: `map(count)`",
        )),
    }
}

/// Reads the rules in the parentheses of `tuple(.., ..)`.
fn places(input: ParseStream<'_>, word: Span, depth_left: usize) -> Result<Vec<Rule>> {
    if !input.peek(syn::token::Paren) {
        let message = "the rule of what is inside stands behind it, in parentheses: `map(value)`, \
                       `option(count)`, `tuple(value, count)`";
        return Err(Error::new(word, message));
    }
    let content;
    parenthesized!(content in input);
    let mut rules = vec![Rule::parse_within(&content, depth_left)?];
    while !content.is_empty() {
        content.parse::<Token![,]>()?;
        rules.push(Rule::parse_within(&content, depth_left)?);
    }
    Ok(rules)
}

/// Reads `= path`, and `counts` if it stands behind: `= path + counts`.
fn with(input: ParseStream<'_>, word: Span) -> Result<Kind> {
    const EXPECTED: &str = "a function is named so: `with = path::to::function`; it takes \
                            `(Option<&T>, &T, &T)` and gives `Result<T, Conflict>`";
    if !input.peek(Token![=]) {
        return Err(Error::new(word, EXPECTED));
    }
    input.parse::<Token![=]>()?;
    let path =
        input.call(Path::parse_mod_style).map_err(|error| Error::new(error.span(), EXPECTED))?;
    let counts = input.peek(Token![+]);
    if counts {
        input.parse::<Token![+]>()?;
        let flag = input.call(Ident::parse_any)?;
        if flag != "counts" {
            let message = format!(
                "`{flag}` cannot stand here; `with = {}` can be followed by \
                                   `+ counts`, if equal sides are two changes",
                quote!(#path)
            );
            return Err(Error::new(flag.span(), message));
        }
    }
    Ok(Kind::With { path, counts })
}
