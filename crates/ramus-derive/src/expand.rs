//! From the definition of a type to its implementation of `Contents`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Data, DataEnum, DeriveInput, Error, GenericParam, Generics, Ident, Result, WhereClause,
    WherePredicate, parse_quote,
};

use crate::attributes::{OnType, on_variant};
use crate::fields::Parts;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    refuse_borrows(&input.generics)?;
    let on_type = OnType::read(&input.attrs)?;
    let shape = Shape::read(input)?;
    if let (Some(_), Some(second)) = (&on_type.rule, shape.first_rule()) {
        let message = "the rule on the type merges it as one part, so a field has none; remove \
                       one of them";
        return Err(Error::new(second, message));
    }
    let OnType { home, rule, .. } = &on_type;
    let (counts, body) = match rule {
        Some(rule) => {
            let sides = [quote!(__ancestor), quote!(__ours), quote!(__theirs)];
            (rule.counts(home, &quote!(Self)), rule.call(home, sides))
        }
        None => (shape.counts(&on_type), shape.body(&on_type)),
    };
    let name = &input.ident;
    let (impl_generics, type_generics, _) = input.generics.split_for_impl();
    let where_clause = where_clause(input, &on_type, &shape);
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #home::Contents for #name #type_generics #where_clause {
            const MERGES_EQUAL_SIDES: bool = #counts;

            fn encode(&self) -> #home::__derive::Result<#home::__derive::Bytes> {
                #home::codec::encode(self)
            }

            fn decode(bytes: &#home::__derive::Bytes) -> #home::__derive::Result<Self> {
                #home::codec::decode(bytes)
            }

            fn merge(
                ancestor: ::core::option::Option<&Self>,
                ours: ::core::option::Option<&Self>,
                theirs: ::core::option::Option<&Self>,
            ) -> ::core::result::Result<::core::option::Option<Self>, #home::Conflict> {
                #home::merge::both(
                    ancestor,
                    ours,
                    theirs,
                    |__ancestor: ::core::option::Option<&Self>, __ours: &Self, __theirs: &Self| {
                        #body
                    },
                )
            }
        }
    })
}

/// What a type is made of.
enum Shape {
    Struct(Parts),
    Enum(Vec<(Ident, Parts)>),
}

impl Shape {
    fn read(input: &DeriveInput) -> Result<Self> {
        match &input.data {
            Data::Struct(data) => Ok(Self::Struct(Parts::read(&data.fields)?)),
            Data::Enum(data) => Ok(Self::Enum(variants(data)?)),
            Data::Union(data) => Err(Error::new(
                data.union_token.span(),
                "a union does not say which of its fields is there; write an enum",
            )),
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Parts> {
        let (one, many) = match self {
            Self::Struct(parts) => (Some(parts), &[][..]),
            Self::Enum(variants) => (None, &variants[..]),
        };
        one.into_iter().chain(many.iter().map(|(_, parts)| parts))
    }

    fn first_rule(&self) -> Option<proc_macro2::Span> {
        self.parts().find_map(Parts::first_rule)
    }

    fn counts(&self, on_type: &OnType) -> TokenStream {
        let fields = self.parts().flat_map(|parts| parts.counts(&on_type.home));
        quote!(false #(|| #fields)*)
    }

    /// Returns the code that merges what both sides changed.
    fn body(&self, on_type: &OnType) -> TokenStream {
        let home = &on_type.home;
        match self {
            Self::Struct(parts) => {
                let merged = parts.merged(home, &quote!(Self));
                quote!(::core::result::Result::Ok(#merged))
            }
            Self::Enum(variants) if variants.is_empty() => quote!(match *__ours {}),
            Self::Enum(variants) => {
                let arms = variants.iter().map(|variant| merge_variant(on_type, variant));
                let others = (variants.len() > 1).then(|| different_variants(on_type, variants));
                quote!(match (__ours, __theirs) { #(#arms)* #others })
            }
        }
    }
}

fn variants(data: &DataEnum) -> Result<Vec<(Ident, Parts)>> {
    let read = |variant: &syn::Variant| {
        on_variant(&variant.attrs)?;
        Ok((variant.ident.clone(), Parts::read(&variant.fields)?))
    };
    data.variants.iter().map(read).collect()
}

/// Returns the arm for two sides of one variant: by field, from an ancestor of that variant.
fn merge_variant(on_type: &OnType, (name, parts): &(Ident, Parts)) -> TokenStream {
    let home = &on_type.home;
    let [before, ours, theirs] = ["before", "ours", "theirs"].map(|side| parts.pattern(side));
    let bound = parts.bound("before");
    let merged = parts.merged_from_pattern(home, &quote!(Self::#name));
    let place = name.unraw().to_string();
    quote! {
        (Self::#name #ours, Self::#name #theirs) => {
            let __before = match __ancestor {
                ::core::option::Option::Some(Self::#name #before) => {
                    ::core::option::Option::Some(#bound)
                }
                _ => ::core::option::Option::None,
            };
            let __merged = || ::core::result::Result::<_, #home::Conflict>::Ok(#merged);
            __merged().map_err(|__conflict| __conflict.at(#place))
        }
    }
}

fn different_variants(on_type: &OnType, variants: &[(Ident, Parts)]) -> TokenStream {
    let home = &on_type.home;
    let names = variants.iter().map(|(name, _)| name);
    let texts = variants.iter().map(|(name, _)| name.unraw().to_string());
    quote! {
        _ => {
            let __name = |__side: &Self| match __side { #(Self::#names { .. } => #texts,)* };
            ::core::result::Result::Err(#home::Conflict::new(::std::format!(
                "we made it `{}` and they made it `{}`", __name(__ours), __name(__theirs)
            )))
        }
    }
}

fn where_clause(input: &DeriveInput, on_type: &OnType, shape: &Shape) -> Option<WhereClause> {
    let OnType { home, bound, .. } = on_type;
    let parameters: Vec<Ident> =
        input.generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    if parameters.is_empty() {
        return input.generics.where_clause.clone();
    }
    let mut clause = input.generics.clone().make_where_clause().clone();
    let given = bound.iter().flatten().cloned();
    let kept = parameters
        .iter()
        .map(|parameter| -> WherePredicate { parse_quote!(#parameter: #home::__derive::Part) });
    let mut contents = Vec::new();
    for parts in shape.parts() {
        parts.add_contents(home, &parameters, &mut contents);
    }
    let merged = contents.iter().map(|ty| -> WherePredicate { parse_quote!(#ty: #home::Contents) });
    clause.predicates.extend(given.chain(kept).chain(merged));
    Some(clause)
}

fn refuse_borrows(generics: &Generics) -> Result<()> {
    for parameter in &generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            let message = "contents own what they are made of: put `String`, `Vec`, `Bytes` or \
                           `Cow<'static, _>` in place of what is borrowed";
            return Err(Error::new(lifetime.span(), message));
        }
    }
    Ok(())
}
