use ramus_derive::Contents;

#[derive(Contents)]
union Either {
    number: u64,
    other: i64,
}

#[derive(Contents)]
struct Borrowed<'a> {
    name: &'a str,
}

#[derive(Contents)]
#[merge(max)]
struct RuleOnBoth {
    #[merge(count)]
    views: u64,
}

#[derive(Contents)]
enum RuleOnVariant {
    #[merge(count)]
    Views(u64),
}

#[derive(Contents)]
#[merge(bound(T: Ord))]
struct BoundWithoutText<T> {
    #[merge(max)]
    greatest: T,
}

#[derive(Contents)]
#[merge(bound = "T: ")]
#[merge(bound = "T Ord")]
struct BoundThatIsNone<T> {
    #[merge(max)]
    greatest: T,
}

#[derive(Contents)]
#[merge(crate = ramus_kv, max)]
struct TwoInOne {
    greatest: u64,
}

fn main() {}
