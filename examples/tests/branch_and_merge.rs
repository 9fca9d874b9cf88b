//! The laws of contents, on the type of the example.

#[path = "../branch_and_merge.rs"]
#[expect(dead_code, reason = "what it prints as a program is not part of the type")]
pub mod branch_and_merge;

use branch_and_merge::Recipe;
use ramus::laws;

fn samples() -> Vec<Recipe> {
    let mut samples = Vec::new();
    for (title, servings, cooked) in
        [("Soup", 4, 0), ("Soup", 4, 3), ("Bread", 4, 0), ("Soup", 2, -1)]
    {
        for ingredients in [&[][..], &[("salt", "8 g")], &[("salt", "12 g"), ("rye", "500 g")]] {
            let own = |(name, amount): &(&str, &str)| ((*name).to_owned(), (*amount).to_owned());
            let ingredients = ingredients.iter().map(own).collect();
            samples.push(Recipe { title: title.to_owned(), servings, ingredients, cooked });
        }
    }
    samples
}

#[test]
fn recipes_keep_the_laws_of_encoding() {
    laws::codec_laws(&samples());
}

#[test]
fn recipes_keep_the_laws_of_merging() {
    laws::merge_laws(&samples());
    laws::the_sides_are_alike(&samples());
    laws::deletion_against_change_conflicts(&samples());
}
