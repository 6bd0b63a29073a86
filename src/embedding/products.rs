//! Products of vectors in the widest vector instructions that the processor has (pulp chooses them when the program runs).
//! Whatever their width, a product is built in [`SUMS`] running sums that are added up by halves: the same order of additions, and
//! so the same bits, on every machine.

use pulp::{Arch, Simd, WithSimd};

/// Running sums of a product: enough that one addition does not wait for the one before it.
const SUMS: usize = 32;

/// A loop over many products; vector instructions are chosen once for all of it.
pub(super) trait Loop {
    /// The loop, with products by `product`.
    fn run(self, product: impl Fn(&[f32], &[f32]) -> f32);
}

/// Runs a loop.
pub(super) fn run(work: impl Loop) {
    Arch::new().dispatch(Chosen(work));
}

/// Dot product of two vectors of one length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    dots(a, b, &mut out);
    out[0]
}

/// Dot products of `one` with `rows`, which stand one after the other. What has no row stays as it is.
pub(super) fn dots(one: &[f32], rows: &[f32], out: &mut [f32]) {
    if !one.is_empty() {
        run(Dots { one, rows, out });
    }
}

struct Dots<'a> {
    one: &'a [f32],
    rows: &'a [f32],
    out: &'a mut [f32],
}

impl Loop for Dots<'_> {
    #[inline(always)]
    fn run(self, product: impl Fn(&[f32], &[f32]) -> f32) {
        for (row, out) in self.rows.chunks_exact(self.one.len()).zip(self.out) {
            *out = product(self.one, row);
        }
    }
}

struct Chosen<L>(L);

impl<L: Loop> WithSimd for Chosen<L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        macro_rules! of_lanes {
            ($($lanes:literal)*) => {
                match S::F32_LANES {
                    $($lanes => self.0.run(#[inline(always)] |a, b| product::<S, { SUMS / $lanes }>(simd, a, b)),)*
                    _ => self.0.run(#[inline(always)] |a, b| product::<S, SUMS>(simd, a, b)),
                }
            };
        }
        of_lanes!(16 8 4);
    }
}

/// `VECTORS` of the widest vectors make up the running sums.
#[inline(always)]
fn product<S: Simd, const VECTORS: usize>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<SUMS>();
    let (b_chunks, b_rest) = b.as_chunks::<SUMS>();
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    let (x, _) = S::as_simd_f32s(a_chunks.as_flattened()).0.as_chunks::<VECTORS>();
    let (y, _) = S::as_simd_f32s(b_chunks.as_flattened()).0.as_chunks::<VECTORS>();
    let mut sums = [simd.splat_f32s(0.0); VECTORS];
    for (x, y) in x.iter().zip(y) {
        for at in 0..VECTORS {
            sums[at] = simd.add_f32s(sums[at], simd.mul_f32s(x[at], y[at]));
        }
    }
    let mut vectors = VECTORS;
    while vectors > 1 {
        vectors /= 2;
        for at in 0..vectors {
            sums[at] = simd.add_f32s(sums[at], sums[at + vectors]);
        }
    }
    let mut lanes = [0.0_f32; SUMS];
    S::as_mut_simd_f32s(&mut lanes).0[0] = sums[0];
    let mut width = SUMS / VECTORS;
    while width > 1 {
        width /= 2;
        for at in 0..width {
            lanes[at] += lanes[at + width];
        }
    }
    lanes[0] + rest
}

#[cfg(test)]
mod tests {
    use super::{SUMS, dot};

    #[test]
    fn a_product_is_built_in_one_order() {
        for length in [1, 31, 32, 33, 64, 100, 256] {
            let vector = |seed: u32| -> Vec<f32> {
                (0..length as u32).map(|at| ((at * 7_919 + seed) % 1_013) as f32 / 1_013.0 - 0.5).collect()
            };
            let (a, b) = (vector(3), vector(11));
            let mut sums = [0.0_f32; SUMS];
            let whole = length / SUMS * SUMS;
            (0..whole).for_each(|at| sums[at % SUMS] += a[at] * b[at]);
            for width in [16, 8, 4, 2, 1] {
                (0..width).for_each(|at| sums[at] += sums[at + width]);
            }
            let rest: f32 = (whole..length).map(|at| a[at] * b[at]).sum();
            assert_eq!(dot(&a, &b).to_bits(), (sums[0] + rest).to_bits(), "{length} values");
        }
    }
}
