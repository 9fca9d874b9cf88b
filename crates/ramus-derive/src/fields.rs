//! The fields of a struct or of a variant.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Fields, Ident, Index, Member, Path, Result, Type};

use crate::attributes;
use crate::rule::Rule;

/// The fields, and how each merges.
pub(crate) struct Parts(Vec<Part>);

struct Part {
    member: Member,
    ty: Type,
    rule: Rule,
    is_ruled: bool,
    /// What a conflict in it is said to be at; empty where that says nothing.
    place: String,
}

impl Parts {
    pub(crate) fn read(fields: &Fields) -> Result<Self> {
        let is_newtype = matches!(fields, Fields::Unnamed(_)) && fields.len() == 1;
        let mut parts = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let rule = attributes::on_field(&field.attrs)?;
            let (member, place) = match &field.ident {
                Some(name) => (Member::Named(name.clone()), name.unraw().to_string()),
                None => (Member::Unnamed(Index::from(index)), index.to_string()),
            };
            parts.push(Part {
                member,
                ty: field.ty.clone(),
                is_ruled: rule.is_some(),
                rule: rule.unwrap_or_else(|| Rule::whole(field.span())),
                place: if is_newtype { String::new() } else { place },
            });
        }
        Ok(Self(parts))
    }

    /// Returns where the first rule is written.
    pub(crate) fn first_rule(&self) -> Option<Span> {
        self.0.iter().find(|part| part.is_ruled).map(|part| part.rule.span)
    }

    /// Returns the code that makes a value of what the fields of three sides merge to.
    ///
    /// The sides are the locals `__ancestor`, an option, `__ours` and `__theirs`.
    pub(crate) fn merged(&self, home: &Path, constructor: &TokenStream) -> TokenStream {
        let parts = self.0.iter().map(|part| {
            let Part { member, .. } = part;
            let sides = [
                quote!(__ancestor.map(|__side| &__side.#member)),
                quote!(&__ours.#member),
                quote!(&__theirs.#member),
            ];
            let merged = part.merged(home, sides);
            quote!(#member: #merged)
        });
        quote!(#constructor { #(#parts,)* })
    }

    /// Returns the same where the fields are bound to the locals that [`pattern`](Parts::pattern)
    /// names, and those of the ancestor are in an option of a tuple, `__before`.
    pub(crate) fn merged_from_pattern(
        &self,
        home: &Path,
        constructor: &TokenStream,
    ) -> TokenStream {
        let parts = self.0.iter().enumerate().map(|(index, part)| {
            let Part { member, .. } = part;
            let (place, ours, theirs) =
                (Index::from(index), local("ours", index), local("theirs", index));
            let before = quote!(__before.map(|__side| __side.#place));
            let merged = part.merged(home, [before, quote!(#ours), quote!(#theirs)]);
            quote!(#member: #merged)
        });
        quote!(#constructor { #(#parts,)* })
    }

    /// Returns the pattern that binds all fields of a side.
    pub(crate) fn pattern(&self, side: &str) -> TokenStream {
        let parts = self.0.iter().enumerate().map(|(index, part)| {
            let (member, local) = (&part.member, local(side, index));
            quote!(#member: #local)
        });
        quote!({ #(#parts,)* })
    }

    /// Returns the tuple of the fields that a pattern bound.
    pub(crate) fn bound(&self, side: &str) -> TokenStream {
        let locals = (0..self.0.len()).map(|index| local(side, index));
        quote!((#(#locals,)*))
    }

    /// Returns the code that says whether equal sides have to be merged, for each field.
    pub(crate) fn counts(&self, home: &Path) -> impl Iterator<Item = TokenStream> {
        self.0.iter().map(move |part| part.rule.counts(home, &part.ty.to_token_stream()))
    }

    /// Adds the types that merge by a merge of their own and depend on a parameter.
    pub(crate) fn add_contents(
        &self,
        home: &Path,
        parameters: &[Ident],
        to: &mut Vec<TokenStream>,
    ) {
        for part in &self.0 {
            let ty = part.ty.to_token_stream();
            if mentions(ty.clone(), parameters) {
                part.rule.add_contents(home, &ty, to);
            }
        }
    }
}

impl Part {
    /// Returns the code that merges the part, or leaves with a conflict that says where it is.
    fn merged(&self, home: &Path, sides: [TokenStream; 3]) -> TokenStream {
        let call = self.rule.call(home, sides);
        let span = self.ty.span();
        let place = &self.place;
        if place.is_empty() {
            return quote_spanned!(span=> #call?);
        }
        quote_spanned!(span=> #call.map_err(|__conflict| __conflict.at(#place))?)
    }
}

fn local(side: &str, index: usize) -> Ident {
    format_ident!("__{}_{}", side, index)
}

/// Returns whether one of these names stands in a type.
fn mentions(ty: TokenStream, names: &[Ident]) -> bool {
    let mut open = vec![ty];
    while let Some(tokens) = open.pop() {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if names.contains(&ident) => return true,
                TokenTree::Group(group) => open.push(group.stream()),
                _ => {}
            }
        }
    }
    false
}
