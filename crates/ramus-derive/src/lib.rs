//! The derive of `Contents`, which `ramus-kv` and `ramus` export beside the trait.

mod attributes;
mod expand;
mod fields;
mod rule;

use proc_macro::TokenStream;

/// Implements `Contents`: the encoding by serde, the merge by the parts of the type.
#[proc_macro_derive(Contents, attributes(merge))]
pub fn derive_contents(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
