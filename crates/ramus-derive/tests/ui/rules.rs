use ramus_derive::Contents;

#[derive(Contents)]
struct Unknown {
    #[merge(sum)]
    views: u64,
}

#[derive(Contents)]
struct Nothing {
    #[merge()]
    views: u64,
}

#[derive(Contents)]
struct Twice {
    #[merge(count)]
    #[merge(max)]
    views: u64,
}

#[derive(Contents)]
struct TwoInOne {
    #[merge(count, max)]
    views: u64,
}

#[derive(Contents)]
struct NoInside {
    #[merge(map)]
    votes: std::collections::BTreeMap<String, u64>,
}

#[derive(Contents)]
struct EmptyInside {
    #[merge(map())]
    votes: std::collections::BTreeMap<String, u64>,
}

#[derive(Contents)]
struct TwoInside {
    #[merge(option(count, max))]
    views: Option<u64>,
}

#[derive(Contents)]
struct UnknownInside {
    #[merge(map(option(add)))]
    votes: std::collections::BTreeMap<String, Option<u64>>,
}

#[derive(Contents)]
struct Parentheses {
    #[merge(count(max))]
    views: u64,
}

#[derive(Contents)]
struct WithoutFunction {
    #[merge(with)]
    views: u64,
}

#[derive(Contents)]
struct WithText {
    #[merge(with = "merge_views")]
    views: u64,
}

#[derive(Contents)]
struct WithWhat {
    #[merge(with = merge_views + adds)]
    views: u64,
}

#[derive(Contents)]
struct TooDeep {
    #[merge(option(option(option(option(option(option(option(option(option(option(option(option(
        option(option(option(option(count))))))))))))))))
    )]
    views: u64,
}

fn main() {}
