//! The common logarithm, the same to the last bit on every platform: scores that differ in their last bits decide rankings.
//!
//! A port of fdlibm 5.3's `e_log10.c` on its `e_log.c`, expression by expression, since the runtimes of the recommenders use
//! these two. The standard library's logarithm is the platform's own; the `libm` crate's is FreeBSD's, which rounds otherwise.
//! See <https://www.netlib.org/fdlibm/e_log10.c> and <https://www.netlib.org/fdlibm/e_log.c>.
//!
//! Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved. Permission to use, copy, modify, and distribute
//! this software is freely granted, provided that this notice is preserved.

// The constants have the digits of their source.
#![allow(clippy::excessive_precision, reason = "the digits of fdlibm")]
#![allow(clippy::approx_constant, reason = "the nearest double of fdlibm's own constant is meant")]

const TWO_54: f64 = 1.801_439_850_948_198_400_00e16;
const IVLN10: f64 = 4.342_944_819_032_518_166_68e-1;
const LOG10_2HI: f64 = 3.010_299_956_636_117_713_06e-1;
const LOG10_2LO: f64 = 3.694_239_077_158_930_786_16e-13;

/// NaN for a number below 0, −∞ for 0.
pub(super) fn log10(x: f64) -> f64 {
    let (mut x, mut k) = (x, 0);
    if x == 0.0 {
        return f64::NEG_INFINITY;
    } else if x.is_nan() || x < 0.0 {
        return f64::NAN;
    } else if x.is_infinite() {
        return x;
    } else if x < f64::MIN_POSITIVE {
        k = -54;
        x *= TWO_54;
    }
    k += exponent(x);
    // A negative exponent is rounded towards 0, and the rest of x lies between 1/2 and 1.
    let below_1 = i32::from(k < 0);
    let y = f64::from(k + below_1);
    let z = y * LOG10_2LO + IVLN10 * log(with_exponent(x, -below_1));
    z + y * LOG10_2HI
}

const LN2_HI: f64 = 6.931_471_803_691_238_164_90e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_700_02e-10;
const LG1: f64 = 6.666_666_666_666_735_130e-1;
const LG2: f64 = 3.999_999_999_940_941_908e-1;
const LG3: f64 = 2.857_142_874_366_239_149e-1;
const LG4: f64 = 2.222_219_843_214_978_396e-1;
const LG5: f64 = 1.818_357_216_161_805_012e-1;
const LG6: f64 = 1.531_383_769_920_937_332e-1;
const LG7: f64 = 1.479_819_860_511_658_591e-1;

/// The natural logarithm of a normal number above 0.
fn log(x: f64) -> f64 {
    let mantissa = high_word(x) & 0x000f_ffff;
    // x or x/2, between √2/2 and √2.
    let halved = i32::from(mantissa + 0x0009_5f64 >= 0x0010_0000);
    let k = exponent(x) + halved;
    let dk = f64::from(k);
    let f = with_exponent(x, -halved) - 1.0;
    if 0x000f_ffff & (2 + mantissa) < 3 {
        // |f| < 2^-20
        if f == 0.0 {
            return if k == 0 { 0.0 } else { dk * LN2_HI + dk * LN2_LO };
        }
        let r = f * f * (0.5 - 0.333_333_333_333_333_33 * f);
        return if k == 0 { f - r } else { dk * LN2_HI - ((r - dk * LN2_LO) - f) };
    }
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let t1 = w * (LG2 + w * (LG4 + w * LG6));
    let t2 = z * (LG1 + w * (LG3 + w * (LG5 + w * LG7)));
    let r = t2 + t1;
    if (mantissa - 0x0006_147a) | (0x0006_b851 - mantissa) > 0 {
        let hfsq = 0.5 * f * f;
        if k == 0 { f - (hfsq - s * (hfsq + r)) } else { dk * LN2_HI - ((hfsq - (s * (hfsq + r) + dk * LN2_LO)) - f) }
    } else if k == 0 {
        f - s * (f - r)
    } else {
        dk * LN2_HI - ((s * (f - r) - dk * LN2_LO) - f)
    }
}

/// The upper half of the bits.
fn high_word(x: f64) -> i32 {
    (x.to_bits() >> 32) as i32
}

/// Of a normal number above 0.
fn exponent(x: f64) -> i32 {
    (high_word(x) >> 20) - 1023
}

/// `x` scaled by a power of two, so that its exponent is 0 or −1.
fn with_exponent(x: f64, exponent: i32) -> f64 {
    let biased = if exponent == 0 { 0x3ff } else { 0x3fe };
    f64::from_bits(x.to_bits() & 0x000f_ffff_ffff_ffff | biased << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_a_javascript_runtime_to_the_last_bit() {
        let cases = [
            (1.0, 0.0),
            (1000.0, 3.0),
            (0.1, -1.0),
            (0.5, -0.301_029_995_663_981_2),
            (1.000_000_1, 4.342_944_604_420_994_6e-8),
            (3.0, 0.477_121_254_719_662_44),
            (5e-324, -323.306_215_343_115_8),
            (f64::MIN_POSITIVE, -307.652_655_568_588_8),
            (f64::MAX, 308.254_715_559_916_75),
        ];
        for (x, expected) in cases {
            assert_eq!(log10(x), expected, "{x}");
        }
        assert_eq!([log10(0.0), log10(f64::INFINITY)], [f64::NEG_INFINITY, f64::INFINITY]);
        assert!(log10(-1.0).is_nan() && log10(f64::NAN).is_nan());
    }
}
