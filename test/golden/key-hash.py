"""Derives key-hash.jsonl from the prose of docs/design/005-codecs-and-keys.md, independently of the TypeScript code.

python3 test/golden/key-hash.py > test/golden/key-hash.jsonl
"""

import json
import struct


def murmur3_x86_32(data, seed):
    def rotl(x, r):
        return ((x << r) | (x >> (32 - r))) & 0xFFFFFFFF

    c1, c2, h = 0xCC9E2D51, 0x1B873593, seed
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = struct.unpack_from("<I", data, i)[0]
        h ^= rotl(k * c1 & 0xFFFFFFFF, 15) * c2 & 0xFFFFFFFF
        h = (rotl(h, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    tail = data[whole:]
    if tail:
        k = int.from_bytes(tail, "little")
        h ^= rotl(k * c1 & 0xFFFFFFFF, 15) * c2 & 0xFFFFFFFF
    h ^= len(data)
    h = (h ^ (h >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ (h >> 16)


# Published vectors of MurmurHash3 x86 32 (Wikipedia, "MurmurHash", test vectors).
for text, seed, expected in [
    ("", 0, 0), ("", 1, 0x514E28B7), ("", 0xFFFFFFFF, 0x81F16F39), ("test", 0, 0xBA6BD213),
    ("test", 0x9747B28C, 0x704B81DC), ("Hello, world!", 0, 0xC0363E43), ("Hello, world!", 0x9747B28C, 0x24884CBA),
    ("The quick brown fox jumps over the lazy dog", 0, 0x2E4FF723),
    ("The quick brown fox jumps over the lazy dog", 0x9747B28C, 0x2FA826CD),
]:
    assert murmur3_x86_32(text.encode(), seed) == expected, text


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def payload(kind, value):
    """Tag and payload."""
    if kind == "string":
        # Pair surrogates as UTF-16 does, then let the unpaired ones through.
        units = value.encode("utf-16-le", "surrogatepass")
        return 1, units.decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")
    if kind == "number":
        number = float(value.replace("Infinity", "inf"))
        if number != number:
            return 2, bytes.fromhex("000000000000f87f")
        return 2, struct.pack("<d", number + 0.0)
    if kind == "bigint":
        number = int(value)
        length = 0 if number == 0 else 1
        while number != 0 and not -(1 << (8 * length - 1)) <= number < 1 << (8 * length - 1):
            length += 1
        return 3, number.to_bytes(length, "little", signed=True)
    if kind == "boolean":
        return 4, b"\x01" if value else b"\x00"
    return 5, b"".join(encode(*next(iter(part.items()))) for part in value)


def encode(kind, value):
    tag, content = payload(kind, value)
    return bytes([tag]) + (content if tag in (2, 4) else varint(len(content)) + content)


KEYS = [{"string": s} for s in [
    "", "a", "ab", "abc", "abcd", "abcde", "word", "Hello, world!", "user-000123", "x" * 31, "x" * 32, "x" * 127,
    "x" * 128, "x" * 300, "\u00e9", "abc\u00e9", "\u20ac", "\U0001f600", "\ud83d", "\ude00", "a\ude00\ud83d", "\u0000",
    "\u0000a", "1", "true", "\ufeff",
]]
KEYS += [{"number": n} for n in [
    "0", "-0", "1", "-1", "0.5", "NaN", "Infinity", "-Infinity", "1e300", "5e-324", "4294967296", "9007199254740993", "42",
    "0.1", "-123456.789",
]]
KEYS += [{"bigint": n} for n in [
    "0", "1", "-1", "127", "128", "-128", "-129", "255", "256", "32767", "32768", "-32768", "9223372036854775807",
    "-9223372036854775808", "18446744073709551616", str(10**40), str(-(10**40)),
]]
KEYS += [{"boolean": True}, {"boolean": False}]
KEYS += [{"tuple": parts} for parts in [
    [{"string": "a"}], [{"string": "a"}, {"string": "b"}], [{"string": "ab"}, {"string": ""}],
    [{"string": "shop"}, {"number": "7"}], [{"number": "-0"}], [{"number": "0"}],
    [{"bigint": "1"}, {"number": "1"}, {"boolean": True}, {"string": "\ud83d"}], [{"string": "x" * 200}, {"number": "NaN"}],
]]

for key in KEYS:
    kind, value = next(iter(key.items()))
    tag, content = payload(kind, value)
    code = murmur3_x86_32(content, tag)
    print(json.dumps({"key": key, "bytes": encode(kind, value).hex(), "hash": code, "keyGroupOf128": code % 128}))
