// Mints coupon tokens from docs/coupon-format.md alone, with nothing but Node.js (18 or later).
//
//   echo '{"algorithm": -19, "private": "0001...1f", "claims": {"campaign": 7, "index": 5, "not_before": 20740, "expires": 20770}}' |
//     node mint.mjs
//
// Reads one JSON object a line, writes one token's text a line. private: the seed (Ed25519) or the scalar (P-256), 32 bytes
// in hexadecimal; byte strings of claims are hexadecimal too. Limits of fields are the caller's to keep.

import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { createInterface } from "node:readline";

const AAD = Buffer.from("redeemd/coupon/1");
const EXTRAS = [[1, "store"], [2, "store_group"], [3, "value_minor"], [4, "holder"], [5, "referrer"], [6, "source"]];
const ESP256 = -9;
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

// --- deterministic CBOR: integers below 2^32, byte strings, text, arrays, maps with sorted keys ---

function head(major, argument) {
  if (argument < 24) return Buffer.from([(major << 5) | argument]);
  if (argument < 0x100) return Buffer.from([(major << 5) | 24, argument]);
  const wide = argument >= 0x10000;
  const octets = Buffer.alloc(wide ? 5 : 3);
  octets[0] = (major << 5) | (wide ? 26 : 25);
  if (wide) octets.writeUInt32BE(argument, 1);
  else octets.writeUInt16BE(argument, 1);
  return octets;
}

function cbor(value) {
  if (typeof value === "number") return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  const entries = [...value].map(([key, item]) => [cbor(key), cbor(item)]).sort((a, b) => Buffer.compare(a[0], b[0]));
  return Buffer.concat([head(5, entries.length), ...entries.flat()]);
}

// --- keys and signatures ---

function privateKey(algorithm, secret) {
  if (algorithm === ESP256) {
    const der = Buffer.concat([Buffer.from("30310201010420", "hex"), secret, Buffer.from("a00a06082a8648ce3d030107", "hex")]);
    return createPrivateKey({ key: der, format: "der", type: "sec1" });
  }
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), secret]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

function publicBytes(algorithm, key) {
  const jwk = createPublicKey(key).export({ format: "jwk" });
  const x = Buffer.from(jwk.x, "base64url");
  if (algorithm !== ESP256) return x;
  return Buffer.concat([Buffer.from([2 + (Buffer.from(jwk.y, "base64url")[31] & 1)]), x]);
}

function signature(algorithm, key, message) {
  if (algorithm !== ESP256) return sign(null, message, key);
  const octets = sign("sha256", message, { key, dsaEncoding: "ieee-p1363" });
  const s = BigInt("0x" + octets.subarray(32).toString("hex"));
  if (s <= ORDER / 2n) return octets;
  const lower = (ORDER - s).toString(16).padStart(64, "0");
  return Buffer.concat([octets.subarray(0, 32), Buffer.from(lower, "hex")]);
}

// --- the token ---

function base32(octets) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = "";
  for (const octet of octets) bits += octet.toString(2).padStart(8, "0");
  bits = bits.padEnd(Math.ceil(bits.length / 5) * 5, "0");
  return bits.replace(/.{5}/g, (five) => alphabet[parseInt(five, 2)]);
}

function mint({ algorithm, private: secret, claims }) {
  const key = privateKey(algorithm, Buffer.from(secret, "hex"));
  const kid = createHash("sha256").update(publicBytes(algorithm, key)).digest().subarray(0, 8);
  const extras = new Map();
  for (const [label, name] of EXTRAS) {
    const value = claims[name];
    if (value !== undefined) extras.set(label, typeof value === "string" ? Buffer.from(value, "hex") : value);
  }
  const payload = cbor([claims.campaign, claims.index, claims.not_before, claims.expires, extras]);
  const protectedHeader = cbor(new Map([[1, algorithm], [4, kid]]));
  const signed = signature(algorithm, key, cbor(["Signature1", protectedHeader, AAD, payload]));
  return "RC1" + base32(cbor([protectedHeader, new Map(), payload, signed]));
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) console.log(mint(JSON.parse(line)));
}
