#!/usr/bin/env python3
"""Writes the golden files from the tables in the documentation of `Native`, and from those alone.

It shares no code with the crate: what both say is what the format is. A format that is released
does not change, so running it changes no file. Run it in this directory, with nothing but Python.
"""

import hashlib

WEIGHT_MAX, LEVEL_MAX, RESTART_EVERY = 8192, 15, 16


def sha1(data):
    return hashlib.sha1(data).digest()


def varint(number):
    groups = bytearray()
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(groups + bytes([number]))


def with_length(data):
    return varint(len(data)) + data


def in_block(digest, metadata=b""):
    return [(b"\x01", "contents in a block"), (with_length(metadata), "metadata"), (digest, "hash")]


def in_place(value, metadata=b""):
    return [(b"\x03", "contents in place"), (with_length(metadata), "metadata"), (with_length(value), "encoding")]


def directory(digest):
    return [(b"\x02", "directory"), (digest, "hash")]


def child(digest, count, weight):
    return [(digest, "hash"), (varint(count), f"{count} entries"), (varint(weight), f"weight {weight}")]


def raw(parts):
    return b"".join(data for data, _ in parts)


def weight(step, body):
    return 1 + len(with_length(step)) + len(raw(body))


def directory_block(level, items):
    """Returns the parts of a block, each with what it is."""
    parts = [(b"\x02", "kind: leaf")] if level == 0 else [(b"\x04", "kind: index block"), (bytes([level]), "level")]
    restarts, last = [], b""
    for index, (step, body) in enumerate(items):
        shared = 0
        if index % RESTART_EVERY == 0:
            restarts.append(len(raw(parts)))
        else:
            while shared < min(len(last), len(step)) and last[shared] == step[shared]:
                shared += 1
        parts.append((varint(shared), "shared"))
        parts.append((with_length(step[shared:]), f"step: {step.decode('latin-1')!r}"))
        parts += body
        last = step
    for restart in restarts:
        parts.append((restart.to_bytes(4, "big"), "restart"))
    parts.append((len(items).to_bytes(4, "big"), "length"))
    return parts


def packed(level, items):
    """Returns the parts of the packed form of a block."""
    parts = [(b"\x02", "kind: leaf")] if level == 0 else [(b"\x04", "kind: index block"), (bytes([level]), "level")]
    runs, last = [], b""
    for step, body in items:
        shared = 0
        while shared < min(len(last), len(step)) and last[shared] == step[shared]:
            shared += 1
        head, rest = [(varint(shared), "shared"), (varint(len(step) - shared), "rest")], []
        for data, what in body:
            if what in ("metadata", "encoding"):
                # Neither is longer than 127 bytes here, so its length takes one.
                head.append((data[:1], f"length of {what}"))
                rest.append((data[1:], what))
            elif what == "hash":
                rest.append((data, what))
            else:
                head.append((data, what))
        if not runs or raw(runs[-1][0]) != raw(head):
            runs.append((head, []))
        runs[-1][1].append([(step[shared:], f"step: {step.decode('latin-1')!r}"), *rest])
        last = step
    for head, all_items in runs:
        parts += [(varint(len(all_items)), "items in the run"), *head]
        parts += [part for item in all_items for part in item if part[0]]
    return parts


def blocks_of(level, items):
    """Cuts the items of a level: what is too heavy is cut at its highest gap, and so on."""

    def height(index):
        # Of equal priorities that of the smaller step is higher: the first of equals below.
        step = items[index][0]
        return int.from_bytes(sha1(bytes([0x70, level]) + step)[:8], "big")

    def cut(start, end):
        total = sum(weight(*item) for item in items[start:end])
        if total <= WEIGHT_MAX or end - start == 1 or level == LEVEL_MAX:
            return [items[start:end]]
        at = max(range(start + 1, end), key=lambda index: (height(index), -index))
        return cut(start, at) + cut(at, end)

    return cut(0, len(items))


def tree(items):
    """Returns the hash of the root of a directory, and how many blocks each level has."""
    level, sizes = 0, []
    while True:
        blocks = blocks_of(level, items)
        sizes.append(len(blocks))
        above = []
        for block in blocks:
            digest = sha1(raw(directory_block(level, block)))
            count = sum(1 if level == 0 else counts[step] for step, _ in block)
            above.append((block[0][0], digest, count, sum(weight(*item) for item in block)))
        if len(blocks) == 1:
            return above[0][1], sizes
        counts = {step: count for step, _, count, _ in above}
        items = [(step, child(digest, count, total)) for step, digest, count, total in above]
        level += 1


CHUNK_MIN, CHUNK_USUAL, CHUNK_MAX = 16384, 65536, 262144
MASK_SHORT, MASK_LONG = 0x0000D90707537000, 0x0000D90313530000
GEAR = [int.from_bytes(hashlib.md5(bytes([byte]) * 64).digest()[:8], "big") for byte in range(256)]


def chunk_length(data):
    n = min(len(data), CHUNK_MAX)
    h = 0
    for i in range(CHUNK_MIN, n - n % 2):
        h = (2 * h + GEAR[data[i]]) & 0xFFFFFFFFFFFFFFFF
        if h & (MASK_SHORT if i < CHUNK_USUAL else MASK_LONG) == 0:
            return i
    return n


def contents_index(level, parts):
    out = [(b"\x06", "kind: index of large contents"), (bytes([level]), "level")]
    for digest, length in parts:
        out += [(digest, "hash"), (varint(length), f"{length} bytes")]
    return out


def large_contents(data):
    """Returns the hash of the root of large contents, and how many blocks each level has."""
    parts, start = [], 0
    while start < len(data):
        chunk = data[start : start + chunk_length(data[start : start + CHUNK_MAX])]
        parts.append((sha1(b"\x05" + chunk), len(chunk)))
        start += len(chunk)
    level, sizes = 0, [len(parts)]
    while len(parts) > 1:
        level, above, run = level + 1, [], []
        for number, part in enumerate(parts):
            run.append(part)
            ends = len(run) >= 32 and part[0][0] < 2
            if ends or len(run) == 512 or number == len(parts) - 1:
                above.append((sha1(raw(contents_index(level, run))), sum(length for _, length in run)))
                run = []
        parts = above
        sizes.append(len(parts))
    return parts[0][0], sizes


def noise(length):
    """Returns bytes without a pattern: the SHA-1 hashes of 0, 1, 2, ... as eight bytes."""
    parts = (sha1(number.to_bytes(8, "big")) for number in range(length // 20 + 1))
    return b"".join(parts)[:length]


def write(name, about, parts):
    with open(f"{name}.hex", "w", encoding="utf-8") as file:
        file.write(f"# {about}\n")
        for data, what in parts:
            file.write(f"{data.hex():<43} # {what}\n")


def contents(name, about, *parts):
    write(name, about, [(b"\x01", "kind: contents"), *parts])


contents("contents_text", "Contents: the text `text`.", (b"text", "text"))
contents(
    "contents_json",
    "Contents: JSON, with the keys in order and its numbers in canonical form.",
    (b'{"a":"', '{"a":"'),
    (b"\\u001f\xc3\xa9", "\\u001f and é"),
    (b'","b":[', '","b":['),
    (b"1,1.0,-2.5e-9", "1,1.0,-2.5e-9"),
    (b"]}", "]}"),
)
contents("contents_counter", "Contents: the counter -2.", ((2**64 - 2).to_bytes(8, "big"), "eight bytes, big endian"))
contents(
    "contents_whole",
    'Contents: the tuple (300_u16, "x", Some(-1_i32)) in postcard.',
    (varint(300), "300"),
    (with_length(b"x"), "text"),
    (b"\x01", "Some"),
    (b"\x01", "-1, zigzag"),
)

write("chunk", "A chunk of large contents.", [(b"\x05", "kind: chunk"), (b"the end", "bytes")])
index = [(sha1(b"one"), CHUNK_MAX), (sha1(b"two"), CHUNK_MIN), (sha1(b"three"), 7)]
write("contents_index", "An index block of large contents, of level 1; hashes are SHA-1.", contents_index(1, index))
index = [(sha1(b"one"), 2**40), (sha1(b"two"), 1)]
write("contents_index_high", "An index block of large contents, of level 5; hashes are SHA-1.", contents_index(5, index))


def write_large(name, about, data):
    digest, sizes = large_contents(data)
    shape = ", ".join(f"{size} {'chunks' if level == 0 else f'of level {level}'}" for level, size in enumerate(sizes))
    write(name, f"The root of large contents, {about}, by SHA-1: {shape}.", [(digest, "hash")])


write_large("large_of_noise", "24 MiB and 1 byte of noise", noise((24 << 20) + 1))
write_large("large_of_zeros", "3 MiB and 1 byte of zeros", bytes((3 << 20) + 1))
write_large("large_least", "262 145 bytes of noise", noise(CHUNK_MAX + 1))

write("directory_empty", "The empty directory.", directory_block(0, []))

leaf = [
    (b"a", in_block(sha1(b"one"))),
    (b"a.b", directory(sha1(b"two"))),
    (b"ab", in_place(b"three", b"\x01\x02")),
    (b"abc", in_place(b"")),
    (b"b", in_place(b"v" * 128)),
    (b"long" * 40, in_block(sha1(b"five"), b"m" * 200)),
    *((b"n%02d" % number, in_place(b"%d" % number)) for number in range(12)),
    (b"\xff", directory(sha1(b"six"))),
]
write("leaf", "A leaf of 19 entries, two of them with their whole step; hashes are SHA-1.", directory_block(0, leaf))

index = [
    (b"a", child(sha1(b"one"), 1, 24)),
    (b"ab", child(sha1(b"two"), 300, 8192)),
    (b"b", child(sha1(b"three"), 2**64 - 1 - 301, 2**64 - 1)),
]
write("index", "An index block of level 2; hashes are SHA-1.", directory_block(2, index))

commit = [
    (b"\x03", "kind: commit"),
    (sha1(b"root"), "root"),
    (varint(2), "two parents"),
    (sha1(b"second"), "parent"),
    (sha1(b"first"), "parent"),
    (with_length(b"Charles <charles@example.org>"), "author"),
    ((1_700_000_000_123).to_bytes(8, "big"), "time, milliseconds"),
    (with_length(b"add Ada"), "message"),
    (with_length(b"blob"), "header name"),
    (with_length(b"\x00\xff"), "header value"),
    (with_length(b"ticket"), "header name"),
    (with_length(b"17"), "header value"),
]
write("commit", "A commit with two parents and two headers; hashes are SHA-1.", commit)

long = b"a value that is too long to stand in its entry, " * 3 + b"so it has a block of its own"
below = directory_block(0, [(b"c", in_block(sha1(b"\x01" + long)))])
beside = directory_block(0, [(b"e", in_place(b"2"))])
root = [
    (b"a", in_place(b"1")),
    (b"b", directory(sha1(raw(below)))),
    (b"d", directory(sha1(raw(beside)))),
]
before = directory_block(0, root)
after = directory_block(0, [*root, (b"f", in_place(b"3"))])
read = [
    (before, packed(0, root)),
    (below, packed(0, [(b"c", in_block(sha1(b"\x01" + long)))])),
    ([(b"\x01", "kind: contents"), (long, "text")], None),
]
read.sort(key=lambda forms: sha1(raw(forms[0])))
proof = [
    (b"ramus proof", "mark"),
    (b"\x03", "version"),
    (with_length(b"sha1"), "hash"),
    (with_length(b"native"), "format"),
    (sha1(raw(before)), "before"),
    (sha1(raw(after)), "after"),
    (varint(len(read)), "three blocks"),
]
for block, packed_form in read:
    form = 0 if packed_form is None or len(raw(packed_form)) >= len(raw(block)) else 1
    sent = packed_form if form else block
    what = "packed block" if form else "block"
    proof += [(varint(2 * len(raw(sent)) + form), f"length of {what} {sha1(raw(block)).hex()}"), *sent]
write("proof", "A proof by SHA-1 of finding `b/c` and then setting `f`.", proof)

many = [(b"entry-%06d" % number, in_place(b"value %d" % (number * number))) for number in range(60_000)]
digest, sizes = tree(many)
assert len(sizes) == 3, sizes
shape = ", ".join(f"{size} blocks of level {level}" for level, size in enumerate(sizes))
write("directory_of_60000", f"The root of a directory of 60 000 entries, by SHA-1: {shape}.", [(digest, "hash")])


def checksum(data):
    return sha1(data)[:8]


def key(path, below=0):
    number = int.from_bytes(sha1(path)[:8], "big")
    return (number & ~1 | below).to_bytes(8, "big")


def index_part(before, body):
    data = raw(body)
    length = len(data).to_bytes(4, "big")
    sum_of_part = checksum(before + length + data)
    return [(length, "length"), *body, (sum_of_part, "checksum")], sum_of_part


history_head = [(b"ramusidx", "magic"), (b"\x01", "version"), (with_length(b"sha1"), "hash")]
sum_of_head = checksum(raw(history_head))
first_part, sum_of_first = index_part(sum_of_head, [
    (varint(2), "two commits"),
    (sha1(b"commit 1"), "the first"),
    (varint(0), "without parents"),
    (sha1(b"commit 2"), "the second"),
    (varint(1) + varint(1), "one parent, 1 before"),
    (varint(1), "postings of one commit"),
    (varint(3), "three keys"),
    *[(data, "key") for data in sorted([key(b""), key(b"a"), key(b"a/b")])],
])
second_part, _ = index_part(sum_of_first, [
    (varint(1), "one commit"),
    (sha1(b"commit 3"), "the third"),
    (varint(2) + varint(1) + varint(2), "two parents, 1 and 2 before"),
    (varint(1), "postings of one commit"),
    (varint(2), "two keys"),
    *[(data, "key") for data in sorted([key(b""), key(b"", below=1)])],
])
write("history_index", "A history index over SHA-1, in two parts.", [
    *history_head, (sum_of_head, "checksum"), *first_part, *second_part,
])
note = [
    (b"\x01", "version"),
    (with_length("Ad\u00e9".encode()), "author"),
    ((-2).to_bytes(8, "big", signed=True), "time, milliseconds"),
    (varint(300), "300 commits"),
    (sha1(b"first"), "the first"),
    (sha1(b"last"), "the last"),
    ("count \u8a9e".encode(), "message"),
]
write("note", "The note of an update of three hundred commits; hashes are SHA-1.", note)
