/-!
# SHA-1 and Git's hashes

SHA-1 (FIPS 180-4) names files, programs and folders as Git does. Nothing is proved of it: that it is the function Git uses
is a matter of test, and no theorem rests on the absence of collisions.

Bytes are a list: stepping through a list costs an interpreter a fifth of what an array costs. Words are `UInt32`: natural
numbers of 32 bits do not fit into a machine word of the 32-bit build and are three times as slow.
-/

namespace Shepherd.Sha1

/-- The state between blocks, and the hash at the end: five words. -/
structure State where
  a : UInt32
  b : UInt32
  c : UInt32
  d : UInt32
  e : UInt32
  deriving Repr, DecidableEq, Inhabited

/-- The state before the first block. -/
def State.initial : State := ⟨0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0⟩

/-- `x` rotated left by `n`, 0 < n < 32. -/
@[inline] def rotate (x n : UInt32) : UInt32 := x <<< n ||| x >>> (32 - n)

/-- Rounds 60 to 79. `w0` to `w15` are the next sixteen words of the message schedule. -/
def lastRounds : Nat → (w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 a b c d e : UInt32) → State
  | 0, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d, e => ⟨a, b, c, d, e⟩
  | n + 1, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, a, b, c, d, e =>
    lastRounds n w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 (rotate (w13 ^^^ w8 ^^^ w2 ^^^ w0) 1)
      (rotate a 5 + (b ^^^ c ^^^ d) + e + 0xca62c1d6 + w0) a (rotate b 30) c d

/-- Rounds 40 to 59, and what follows. -/
def thirdRounds : Nat → (w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 a b c d e : UInt32) → State
  | 0, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, a, b, c, d, e =>
    lastRounds 20 w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 a b c d e
  | n + 1, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, a, b, c, d, e =>
    thirdRounds n w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 (rotate (w13 ^^^ w8 ^^^ w2 ^^^ w0) 1)
      (rotate a 5 + (b &&& c ||| d &&& (b ||| c)) + e + 0x8f1bbcdc + w0) a (rotate b 30) c d

/-- Rounds 20 to 39, and what follows. -/
def secondRounds : Nat → (w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 a b c d e : UInt32) → State
  | 0, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, a, b, c, d, e =>
    thirdRounds 20 w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 a b c d e
  | n + 1, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, a, b, c, d, e =>
    secondRounds n w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 (rotate (w13 ^^^ w8 ^^^ w2 ^^^ w0) 1)
      (rotate a 5 + (b ^^^ c ^^^ d) + e + 0x6ed9eba1 + w0) a (rotate b 30) c d

/-- Rounds 0 to 19, and what follows. -/
def firstRounds : Nat → (w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 a b c d e : UInt32) → State
  | 0, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, a, b, c, d, e =>
    secondRounds 20 w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 a b c d e
  | n + 1, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, a, b, c, d, e =>
    firstRounds n w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 (rotate (w13 ^^^ w8 ^^^ w2 ^^^ w0) 1)
      (rotate a 5 + (d ^^^ b &&& (c ^^^ d)) + e + 0x5a827999 + w0) a (rotate b 30) c d

/-- The words that some bytes are, four bytes a word, the first byte highest. -/
def words : List UInt8 → List UInt32 → List UInt32
  | p :: q :: r :: s :: bytes, done =>
    words bytes ((p.toUInt32 <<< 24 ||| q.toUInt32 <<< 16 ||| r.toUInt32 <<< 8 ||| s.toUInt32) :: done)
  | _, done => done.reverse

/-- The state after all blocks of sixteen words. -/
def blocks : (ws : List UInt32) → State → State
  | w0 :: w1 :: w2 :: w3 :: w4 :: w5 :: w6 :: w7 :: w8 :: w9 :: w10 :: w11 :: w12 :: w13 :: w14 :: w15 :: ws, s =>
    let t := firstRounds 20 w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 s.a s.b s.c s.d s.e
    blocks ws ⟨s.a + t.a, s.b + t.b, s.c + t.c, s.d + t.d, s.e + t.e⟩
  | _, s => s

/-- The `n` lowest bytes of a number, highest first. -/
def bigEndian (n value : Nat) : List UInt8 :=
  (List.range n).reverse.map fun i => UInt8.ofNat (value / 256 ^ i)

/-- The message with its padding: a bit 1, bits 0, and the length in bits as 64 bits, to a multiple of 64 bytes. -/
def padded (message : List UInt8) : List UInt8 :=
  let n := message.length
  message ++ 0x80 :: List.replicate ((119 - n % 64) % 64) 0 ++ bigEndian 8 (8 * n)

/-- The SHA-1 hash of some bytes: 20 bytes. -/
def hash (message : List UInt8) : List UInt8 :=
  let s := blocks (words (padded message) []) .initial
  [s.a, s.b, s.c, s.d, s.e].flatMap fun w => bigEndian 4 w.toNat

end Shepherd.Sha1

namespace Shepherd

/-- The bytes of a text. -/
def utf8 (text : String) : List UInt8 := text.toUTF8.toList

/-- Bytes in hexadecimal, two lower-case digits a byte. -/
def hexText (bytes : List UInt8) : String :=
  bytes.foldl (fun s b => (s.push (Nat.digitChar (b.toNat / 16))).push (Nat.digitChar (b.toNat % 16))) ""

/-- The bytes that an even number of hexadecimal digits stand for; what is no digit counts as 0. -/
def hexBytes (text : String) : List UInt8 :=
  pairs ((utf8 text).map fun c => if 48 ≤ c && c ≤ 57 then c - 48 else if 97 ≤ c && c ≤ 102 then c - 87 else 0)
where
  /-- Two digits a byte. -/
  pairs : List UInt8 → List UInt8
    | a :: b :: rest => (a <<< 4 ||| b) :: pairs rest
    | _ => []

/-- Git's hash of an object, as bytes: SHA-1 of its kind, its length and its body. -/
def gitHashBytes (kind : String) (body : List UInt8) : List UInt8 :=
  Sha1.hash (utf8 s!"{kind} {body.length}" ++ 0 :: body)

/-- Git's hash of an object, 40 hexadecimal digits. -/
def gitHash (kind : String) (body : List UInt8) : String := hexText (gitHashBytes kind body)

/-- The Git blob hash of a text's UTF-8 bytes, 40 hexadecimal digits. -/
def gitBlobHash (text : String) : String := gitHash "blob" (utf8 text)

end Shepherd
