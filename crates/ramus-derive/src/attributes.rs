//! What `#[merge(...)]` says, on a type and on a field.

use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Result};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Ident, LitStr, Path, Token, WherePredicate, parse_quote};

use crate::rule::Rule;

/// What stands on the type.
pub(crate) struct OnType {
    /// The crate that has the trait.
    pub(crate) home: Path,
    /// The bounds on type parameters, if they are given.
    pub(crate) bound: Option<Vec<WherePredicate>>,
    /// The rule for the type as one part.
    pub(crate) rule: Option<Rule>,
}

impl OnType {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut read = Self { home: parse_quote!(::ramus), bound: None, rule: None };
        for attribute in attributes.iter().filter(|one| one.path().is_ident("merge")) {
            attribute.parse_args_with(|input: ParseStream<'_>| read.item(input))?;
        }
        Ok(read)
    }

    fn item(&mut self, input: ParseStream<'_>) -> Result<()> {
        if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            self.home = input.call(Path::parse_mod_style)?;
        } else if input.fork().call(Ident::parse_any).is_ok_and(|word| word == "bound") {
            self.bound = Some(bound(input)?);
        } else {
            set_rule(&mut self.rule, input)?;
        }
        end(input)
    }
}

/// Returns the rule that stands on a field.
pub(crate) fn on_field(attributes: &[Attribute]) -> Result<Option<Rule>> {
    let mut rule = None;
    for attribute in attributes.iter().filter(|one| one.path().is_ident("merge")) {
        attribute.parse_args_with(|input: ParseStream<'_>| {
            set_rule(&mut rule, input)?;
            end(input)
        })?;
    }
    Ok(rule)
}

/// Refuses a rule where none can stand.
pub(crate) fn on_variant(attributes: &[Attribute]) -> Result<()> {
    match attributes.iter().find(|one| one.path().is_ident("merge")) {
        None => Ok(()),
        Some(attribute) => Err(Error::new(
            attribute.span(),
            "a variant has no rule; its fields have: write `#[merge(..)]` on a field of it",
        )),
    }
}

fn set_rule(rule: &mut Option<Rule>, input: ParseStream<'_>) -> Result<()> {
    let read = Rule::parse(input)?;
    if rule.is_some() {
        let message = "a second rule; a part merges by one (rules stand in one another so: \
                       `map(count)`)";
        return Err(Error::new(read.span, message));
    }
    *rule = Some(read);
    Ok(())
}

/// Reads `bound = "T: Ord, U: Clone"`.
fn bound(input: ParseStream<'_>) -> Result<Vec<WherePredicate>> {
    const EXPECTED: &str = "bounds are written so: `bound = \"T: Ord, U: Clone\"`";
    let word = input.call(Ident::parse_any)?;
    if !input.peek(Token![=]) {
        return Err(Error::new(word.span(), EXPECTED));
    }
    input.parse::<Token![=]>()?;
    let text: LitStr = input.parse().map_err(|error| Error::new(error.span(), EXPECTED))?;
    match text.parse_with(Punctuated::<WherePredicate, Token![,]>::parse_terminated) {
        Ok(predicates) => Ok(predicates.into_iter().collect()),
        Err(cause) => Err(Error::new(text.span(), format!("{EXPECTED}: {cause}"))),
    }
}

/// Refuses what is left in the parentheses of an attribute.
fn end(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    let message = "one thing stands in `#[merge(..)]`; write another attribute for another";
    Err(input.error(message))
}
